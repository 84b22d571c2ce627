import { afterEach, describe, expect, test, vi } from "vitest";
import { mostRepeats } from "../../api/batch";
import { ApiError } from "../../api/http";
import { embeddings } from "./embeddings";
import { answer, refuse, serve } from "./server.fake";

const never = new AbortController().signal;
const ask = (texts: string[], signal = never) => embeddings({ model: "m", type: "document", texts }, signal);
const many = Array.from({ length: 130 }, (_, i) => `${i} 1`);

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("embeddings", () => {
  test("tell the server what the texts are", async () => {
    const calls = serve();
    await embeddings({ model: "m", type: "query", texts: ["3 4"] }, never);
    expect(calls).toEqual([
      { path: "/v1/embeddings", body: { model: "m", input: ["3 4"], input_type: "query", encoding_format: "base64" } },
    ]);
  });

  test("ask for 64 texts at a time, keep the order, and add up", async () => {
    const calls = serve();
    const report = vi.fn();
    const found = await embeddings({ model: "m", type: "document", texts: many }, never, report);
    expect(calls.map((c) => c.body.input.length)).toEqual([64, 64, 2]);
    expect(report.mock.calls).toEqual([
      [0, 130],
      [64, 130],
      [128, 130],
      [130, 130],
    ]);
    expect(found).toMatchObject({ rows: 130, cols: 2, requests: 3, tokens: 260, truncated: 3, timing: { run: 5 } });
    expect(Array.from(found.data)).toEqual(many.flatMap((text) => text.split(" ").map(Number)));
  });

  test("split by length, too", async () => {
    const calls = serve();
    const long = "a".repeat(600_000);
    await ask([long, long, "b", "c"]);
    expect(calls.map((c) => c.body.input.length)).toEqual([1, 3]);
  });

  test("wait as long as a busy server says, and ask again", async () => {
    vi.useFakeTimers();
    const calls = serve((call, at) => (at === 0 ? refuse(429, "the queue is full", { "Retry-After": "7" }) : answer(call)));
    const found = ask(["1 2"]);
    await vi.advanceTimersByTimeAsync(6_999);
    expect(calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect((await found).rows).toBe(1);
    expect(calls).toHaveLength(2);
  });

  test("give up at a server that stays busy", async () => {
    vi.useFakeTimers();
    const calls = serve(() => refuse(503, "loading"));
    const found = ask(["1 2"]);
    const seen = expect(found).rejects.toMatchObject({ status: 503, message: "loading" });
    await vi.runAllTimersAsync();
    await seen;
    expect(calls).toHaveLength(1 + mostRepeats);
  });

  test("do not wait for longer than anybody would", async () => {
    const calls = serve(() => refuse(429, "tomorrow", { "Retry-After": "86400" }));
    await expect(ask(["1 2"])).rejects.toMatchObject({ retryAfter: 86400 });
    expect(calls).toHaveLength(1);
  });

  test("name the texts of a request that was refused, and ask no more", async () => {
    const calls = serve((call, at) => (at === 1 ? refuse(400, "too long") : answer(call)));
    const failed = ask(many);
    await expect(failed).rejects.toBeInstanceOf(ApiError);
    await expect(failed).rejects.toMatchObject({ status: 400, code: "queue_full", message: "Documents 65 to 128: too long" });
    expect(calls).toHaveLength(2);
  });

  test("refuse vectors of another length than the first", async () => {
    serve((call, at) => answer(at === 0 ? call : { ...call, body: { ...call.body, input: call.body.input.map(() => "1 2 3") } }));
    await expect(ask(many)).rejects.toThrow("64 vectors of 3 dimensions where 64 of 2 were expected");
  });

  test("end a wait when they are cancelled", async () => {
    vi.useFakeTimers();
    serve(() => refuse(429, "busy", { "Retry-After": "30" }));
    const mine = new AbortController();
    const seen = expect(ask(["1 2"], mine.signal)).rejects.toMatchObject({ name: "AbortError" });
    await vi.advanceTimersByTimeAsync(1_000);
    mine.abort();
    await seen;
    expect(vi.getTimerCount()).toBe(0);
  });
});
