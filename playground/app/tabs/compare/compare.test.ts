import { afterEach, expect, test, vi } from "vitest";
import { compare } from "./compare";
import { angles, refused, served } from "./server.fake";

// There are no workers here; the functions are the worker's own.
vi.mock("../../math", async () => {
  const { agreement } = await import("../../math/agreement");
  const { cluster } = await import("../../math/cluster");
  const { cosine } = await import("../../math/cosine");
  return { math: { agreement: async (...a: Parameters<typeof agreement>) => agreement(...a), cluster, cosine } };
});

afterEach(() => vi.unstubAllGlobals());

const texts = ["a", "b", "c", "d"];
/** The angles between the texts, smallest first: ab 10, bc 20, ac 30, cd 40, bd 60, ad 70. */
const near = angles([0, 10, 30, 70]);
/** ac 10, bd 25, cd 35, ad 45, bc 60, ab 70. */
const far = angles([0, 70, 10, 45]);

test("sets the ranks of the pairs against each other", async () => {
  served(({ model }) => (model === "far" ? far : near));
  const { sides, failed, agreements } = await compare(["near", "far", "twin"], texts);
  expect(failed).toEqual([]);
  expect(sides.map((s) => s.model)).toEqual(["near", "far", "twin"]);
  expect(sides[0]?.similarity[1]).toBeCloseTo(Math.cos((10 * Math.PI) / 180), 6);
  expect(agreements.map((g) => [g.a.model, g.b.model])).toEqual([
    ["near", "far"],
    ["near", "twin"],
    ["far", "twin"],
  ]);
  const [contrary, same] = agreements;
  expect(same?.spearman).toBeCloseTo(1, 12);
  expect(same?.kendall).toBeCloseTo(1, 12);
  expect(same?.nearest).toBe(1);
  // The ranks are 1 to 6 against 6, 5, 1, 3, 2, 4: their squared differences add up to 52, and 10 of 15 are discordant.
  expect(contrary?.spearman).toBeCloseTo(1 - (6 * 52) / (6 * 35), 12);
  expect(contrary?.kendall).toBeCloseTo(-1 / 3, 12);
  expect(contrary?.nearest).toBe(0);
  const widest = contrary?.disagreements[0];
  expect(widest).toMatchObject({ i: 0, j: 1, rankA: 1, rankB: 6 });
  expect(widest?.a).toBeCloseTo(Math.cos((10 * Math.PI) / 180), 6);
  expect(widest?.b).toBeCloseTo(Math.cos((70 * Math.PI) / 180), 6);
});

test("tells what each model took", async () => {
  served(() => near);
  const { sides } = await compare(["x", "y"], texts);
  for (const { batch } of sides) {
    expect(batch).toMatchObject({ rows: 4, cols: 2, tokens: 12, truncated: 1, requests: 1, backend: "onnxruntime" });
    expect(batch.timing).toEqual({ tokenize: 1, queue: 2, run: 3 });
  }
});

test("asks one model after another, one request at a time, and says how far it is", async () => {
  const many = Array.from({ length: 130 }, (_, i) => `t${i}`);
  let open = 0;
  let most = 0;
  const bodies = served(async ({ input }) => {
    most = Math.max(most, ++open);
    await new Promise((resolve) => setTimeout(resolve, 2));
    open--;
    const data = input.map(() => ({ embedding: btoa(String.fromCharCode(0, 0, 128, 63)) }));
    return new Response(JSON.stringify({ data, usage: { total_tokens: 1 } }));
  });
  const reports: number[] = [];
  await compare(["x", "y"], many, undefined, (done, total) => {
    expect(total).toBe(260);
    reports.push(done);
  });
  expect(most).toBe(1);
  expect(bodies.map((b) => `${b.model} ${b.input.length}`)).toEqual(["x 64", "x 64", "x 2", "y 64", "y 64", "y 2"]);
  // Fetch sends Cache-Control: no-cache then, which has the server compute anew.
  expect(bodies.every((b) => b.cache === "no-store")).toBe(true);
  expect(reports).toEqual([...reports].sort((a, b) => a - b));
  expect(reports[0]).toBe(0);
  expect(reports.at(-1)).toBe(260);
});

test.each(["x", "y", "z"])("keeps the others' results when %s fails", async (broken) => {
  served(({ model }) => (model === broken ? refused(404, "not here", "model_not_found") : near));
  const { sides, failed, agreements } = await compare(["x", "y", "z"], texts);
  expect(sides.map((s) => s.model)).toEqual(["x", "y", "z"].filter((m) => m !== broken));
  expect(failed).toMatchObject([{ model: broken, error: { status: 404, message: "not here", code: "model_not_found" } }]);
  expect(agreements).toHaveLength(1);
});

test("all may fail", async () => {
  served(() => refused(401, "a key is needed", "invalid_api_key"));
  const found = await compare(["x", "y"], texts);
  expect(found.failed.map((f) => f.model)).toEqual(["x", "y"]);
  expect([found.sides, found.agreements]).toEqual([[], []]);
});

test("cancelling is no failure of a model", async () => {
  const stop = new AbortController();
  const bodies = served(({ model }, signal) => {
    if (model === "x") return near;
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      stop.abort();
    });
  });
  await expect(compare(["x", "y", "z"], texts, stop.signal)).rejects.toThrow();
  expect(bodies.map((b) => b.model)).toEqual(["x", "y"]);
});

test("a model that finds all alike has no correlation with another", async () => {
  served(({ model }) => (model === "flat" ? angles([5, 5, 5, 5]) : near));
  const { agreements } = await compare(["near", "flat"], texts);
  expect(agreements).toMatchObject([{ spearman: Number.NaN, kendall: Number.NaN }]);
});
