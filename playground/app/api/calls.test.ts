import { afterEach, describe, expect, it, vi } from "vitest";
import { can, changeModel, embed, health, listModels, rerank, vectorsOf } from "./calls";
import { ApiError } from "./http";
import type { Model } from "./types";

afterEach(() => vi.unstubAllGlobals());

function answer(body: unknown, status = 200) {
  const fetch = vi.fn(async (_path: string, _init: RequestInit) => new Response(JSON.stringify(body), { status }));
  vi.stubGlobal("fetch", fetch);
  return {
    path: () => fetch.mock.calls[0]?.[0],
    method: () => fetch.mock.calls[0]?.[1].method,
    body: () => JSON.parse(String(fetch.mock.calls[0]?.[1].body)),
  };
}

// python3 -c 'import base64, struct; print(base64.b64encode(struct.pack("<3f", 1, -0.5, 0.1)))', and with 0, 2, 3e38.
const first = "AACAPwAAAL/NzMw9";
const second = "AAAAAAAAAEDmsWF/";

describe("vectorsOf", () => {
  it("reads float32, little endian, row after row", () => {
    expect(vectorsOf([first, second])).toEqual({ data: Float32Array.from([1, -0.5, 0.1, 0, 2, 3e38]), rows: 2, cols: 3 });
  });
  it("reads none", () => expect(vectorsOf([])).toEqual({ data: new Float32Array(0), rows: 0, cols: 0 }));
  it("refuses rows of other lengths", () => expect(() => vectorsOf([first, "AACAPw=="])).toThrow("vector 1 has 1 dimensions"));
});

describe("embed", () => {
  const data = { data: [{ embedding: first }, { embedding: second }], usage: { total_tokens: 9 } };

  it("asks for base64 and has vectors and tokens", async () => {
    const asked = answer(data);
    const got = await embed("m", ["a", "b"]);
    expect(got.data).toMatchObject({ rows: 2, cols: 3, tokens: 9 });
    expect([asked.method(), asked.path()]).toEqual(["POST", "/v1/embeddings"]);
    expect(asked.body()).toEqual({ model: "m", input: ["a", "b"], encoding_format: "base64" });
  });

  it("asks for fewer dimensions", async () => {
    const asked = answer(data);
    await embed("m", ["a", "b"], { dimensions: 3 });
    expect(asked.body()).toMatchObject({ dimensions: 3 });
  });
});

describe("rerank", () => {
  it("asks for what was chosen alone", async () => {
    let asked = answer({ model: "m", results: [] });
    await rerank("m", "q", ["a"]);
    expect(asked.path()).toBe("/v1/rerank");
    expect(asked.body()).toEqual({ model: "m", query: "q", documents: ["a"] });
    asked = answer({ model: "m", results: [] });
    await rerank("m", "q", ["a"], { topN: 1, rawScores: true });
    expect(asked.body()).toEqual({ model: "m", query: "q", documents: ["a"], top_n: 1, raw_scores: true });
  });
});

describe("health", () => {
  it("is an answer, too, where the server is not ready", async () => {
    answer({ status: "unready", models: [] }, 503);
    expect(await health()).toEqual({ status: "unready", models: [] });
  });

  it.each([
    [503, { error: { message: "busy" } }],
    [500, { models: [] }],
  ])("is refused with %i and another body", async (status, body) => {
    answer(body, status);
    await expect(health()).rejects.toMatchObject({ status });
    await expect(health()).rejects.toBeInstanceOf(ApiError);
  });

  it.each(["<h1>503 Service Unavailable</h1>", "null", ""])("is refused with 503 and %j, which is not the server's", async (text) => {
    vi.stubGlobal("fetch", async () => new Response(text, { status: 503, statusText: "Service Unavailable" }));
    await expect(health()).rejects.toMatchObject({ name: "ApiError", status: 503, body: text });
  });
});

describe("models", () => {
  it("are what the list holds", async () => {
    answer({ object: "list", data: [{ id: "m", tasks: ["embed"], state: "ready" }] });
    const [model] = await listModels();
    expect(can(model as Model, "embed")).toBe(true);
    expect(can(model as Model, "rerank")).toBe(false);
  });

  it("are changed by an id that may hold a slash", async () => {
    const asked = answer({});
    await changeModel("BAAI/bge-m3", "unload");
    expect([asked.method(), asked.path()]).toEqual(["POST", "/admin/models/BAAI%2Fbge-m3/unload"]);
  });
});
