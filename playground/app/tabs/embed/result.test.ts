import { beforeEach, expect, test } from "vitest";
import { choose } from "../../i18n/language";
import { factsOf, fileName, percent, type Result } from "./result";

beforeEach(() => choose("en"));

const result = (changes: Partial<Result["batch"]> = {}): Result => ({
  texts: ["a", "b", "c", "d"],
  batch: {
    data: new Float32Array(8),
    rows: 4,
    cols: 2,
    tokens: 1234,
    requests: 1,
    took: 200,
    truncated: 3,
    model: "org/a model:v1.5",
    backend: "onnxruntime",
    timing: { tokenize: 0.5, queue: 2, run: 150 },
    slowest: 200,
    ...changes,
  },
});

test("tells what was measured", () => {
  expect(factsOf(result())).toEqual([
    ["Model", "org/a model:v1.5"],
    ["Back end", "onnxruntime"],
    ["Texts", "4"],
    ["Tokens", "1,234"],
    ["Dimensions", "2"],
    ["Latency, in all", "200 ms"],
    ["Latency per text", "50 ms"],
    ["Throughput", "20 texts/s"],
    ["Requests", "1"],
    ["In the server", "tokenization 0.5 ms, queue 2 ms, inference 150 ms"],
    ["Truncated", "3"],
  ]);
});

test("of several requests the server's times are the slowest one's", () => {
  const names = factsOf(result({ requests: 2 })).map(([name]) => name);
  expect(names).toContain("Slowest request in the server");
  expect(names).not.toContain("In the server");
});

test("leaves out what the server did not say", () => {
  const facts = new Map(factsOf(result({ timing: { run: 1 }, model: "", backend: "" })));
  expect([facts.get("In the server"), facts.get("Model"), facts.get("Back end")]).toEqual([undefined, undefined, undefined]);
});

test("names files after the model, without what file systems refuse", () => {
  expect(fileName(result(), "npy")).toBe("a-model-v1.5-4.npy");
  expect(fileName(result({ model: "" }), "csv")).toBe("embeddings-4.csv");
  expect(fileName(result({ model: "org/모델" }), "csv")).toBe("embeddings-4.csv");
});

test("writes shares as the language does", () => {
  expect(percent(0.4213)).toBe("42.1%");
  choose("ru");
  expect(percent(0.4213)).toBe("42,1\u00a0%");
});
