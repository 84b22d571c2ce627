// @vitest-environment node
// The programs are run as they are copied, and what arrives is held against what the page has sent.
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Language, programs } from "./programs";

const runners: Record<Language, { file: string; command: string[]; version: string[] }> = {
  curl: { file: "call.sh", command: ["sh", "call.sh"], version: ["curl", "--version"] },
  Python: { file: "call.py", command: ["python3", "call.py"], version: ["python3", "--version"] },
  JavaScript: { file: "call.js", command: ["node", "call.js"], version: ["node", "--version"] },
  Go: { file: "call.go", command: ["go", "run", "call.go"], version: ["go", "version"] },
};
const languages = Object.keys(runners) as Language[];

const hostile = [
  `quotes ' " ''' """ and \`backticks\` and \${HOME} $HOME $(id) %s \\n \\`,
  "line\nbreak\ttab\r\nJSON\nEOF",
  "배송이 언제 되나요? Где мой заказ? 🚚",
  "!history !! #{x} {{y}} <b>bold</b> </script> */ -->",
  "byte order mark \ufeff, zero width \u200b, right to left \u202e, line separator \u2028, half \ud83d, nul \u0000",
  "",
];

interface Arrived {
  url: string;
  body: unknown;
  authorization: string | undefined;
  type: string | undefined;
}

let server: Server;
let folder: string;
let arrived: Arrived[] = [];
let answer: [status: number, body: unknown] = [200, {}];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "programs-"));
  server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const { authorization, "content-type": type } = request.headers;
    arrived.push({ url: request.url ?? "", body: JSON.parse(Buffer.concat(parts).toString()), authorization, type });
    response.writeHead(answer[0], { "Content-Type": "application/json" }).end(JSON.stringify(answer[1]));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
});

afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

/** Runs a program; what it wrote, and whether it failed. */
function run(language: Language, path: string, body: unknown, key = false): Promise<{ failed: boolean; out: string }> {
  const { file, command } = runners[language];
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  writeFileSync(join(folder, file), programs[language]({ origin, path, body, key }));
  arrived = [];
  const [name = "", ...rest] = command;
  const env = { ...process.env, QUADRATE_API_KEY: "qk-test", GO111MODULE: "off", PYTHONIOENCODING: "utf-8" };
  return new Promise((done) => {
    execFile(name, rest, { cwd: folder, env, timeout: 90_000 }, (error, out, err) => done({ failed: error !== null, out: out + err }));
  });
}

const installed = (language: Language) => {
  const [name = "", ...rest] = runners[language].version;
  return spawnSync(name, rest).status === 0;
};

describe.each(languages)("the program in %s", { timeout: 100_000 }, (language) => {
  describe.skipIf(!installed(language))("where it can run", () => {
    it("sends just what the page has sent, whatever the texts hold, and prints the ranking", async () => {
      answer = [200, { results: [{ index: 2, relevance_score: 0.75 }] }];
      const body = { model: "a/b", query: hostile[0], documents: hostile, top_n: 3, raw_scores: true, truncate: null };
      const { failed, out } = await run(language, "/v1/rerank", body);
      expect(failed, out).toBe(false);
      expect(arrived).toEqual([{ url: "/v1/rerank", body, authorization: undefined, type: "application/json" }]);
      expect(out).toContain("0.75");
    });

    it("sends the key of the environment, and prints vectors", async () => {
      answer = [200, { data: [{ index: 0, embedding: [0.25, 0.5] }] }];
      const body = { model: "m", input: ["text"] };
      const { failed, out } = await run(language, "/v1/embeddings", body, true);
      expect(failed, out).toBe(false);
      expect(arrived[0]).toEqual({ url: "/v1/embeddings", body, authorization: "Bearer qk-test", type: "application/json" });
      expect(out).toMatch(/0\.25/);
    });

    it("fails where the server refuses, and shows its words", async () => {
      answer = [404, { error: { message: "no such model" } }];
      const { failed, out } = await run(language, "/v1/embeddings", { model: "m", input: ["text"] });
      expect(failed).toBe(true);
      expect(out).toContain("no such model");
    });

    it("prints other answers as they are", async () => {
      answer = [200, { tokens: [7, 8] }];
      const { failed, out } = await run(language, "/tokenize", { inputs: "x" });
      expect(failed, out).toBe(false);
      expect(JSON.parse(out)).toEqual({ tokens: [7, 8] });
    });
  });
});

it.each(languages)("the program in %s names no key", (language) => {
  const text = programs[language]({ origin: "http://x", path: "/v1/rerank", body: {}, key: false });
  expect(text).not.toContain("QUADRATE_API_KEY");
});
