import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { choose } from "../i18n/language";
import { charactersPerRequest, embedAll, longestWait, mostRepeats } from "./batch";
import { ApiError } from "./http";

/** What the server is asked, and how it answers in this test. */
interface Call {
  texts: string[];
  body: Record<string, unknown>;
  signal: AbortSignal | null | undefined;
}
type Server = (call: Call, at: number) => Response | Promise<Response>;

let calls: Call[] = [];
let inFlight = 0;
let mostInFlight = 0;

function serve(server: Server) {
  vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
    const body = JSON.parse(String(init.body));
    const call = { texts: body.input as string[], body, signal: init.signal };
    calls.push(call);
    mostInFlight = Math.max(mostInFlight, ++inFlight);
    try {
      return await Promise.race([server(call, calls.length - 1), aborted(init.signal)]);
    } finally {
      inFlight--;
    }
  });
}

const aborted = (signal: AbortSignal | null | undefined) =>
  new Promise<never>((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener("abort", () => reject(signal.reason));
  });

const later = (ms: number, response: Response) => new Promise<Response>((resolve) => setTimeout(() => resolve(response), ms));

/** Each text is a number n, and its vector n, n+0.5, … */
function vectors(texts: string[], cols = 3, headers: Record<string, string> = {}): Response {
  const data = texts.map((text, index) => {
    const row = Float32Array.from({ length: cols }, (_, j) => Number(text) + j / 2);
    return { index, embedding: btoa(String.fromCharCode(...new Uint8Array(row.buffer))) };
  });
  const usage = { total_tokens: texts.length * 10 };
  return new Response(JSON.stringify({ data, usage }), {
    headers: { "X-Quadrate-Model": "m", "X-Quadrate-Backend": "onnxruntime", ...headers },
  });
}

function refuse(status: number, message: string, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify({ error: { message, type: "t", param: "input", code: "c" }, message }), {
    status,
    headers: { "X-Request-Id": "id-1", ...headers },
  });
}

const numbers = (n: number) => Array.from({ length: n }, (_, i) => String(i));

function expectRows(batch: { data: Float32Array; rows: number; cols: number }, n: number) {
  expect([batch.rows, batch.cols]).toEqual([n, 3]);
  expect(Array.from(batch.data)).toEqual(numbers(n).flatMap((text) => [0, 0.5, 1].map((more) => Number(text) + more)));
}

/** Runs to the end while time passes as fast as it can. */
async function settled<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {});
  await vi.runAllTimersAsync();
  return work;
}

async function refusal(work: Promise<unknown>): Promise<ApiError> {
  return settled(work).then(
    () => expect.fail("must be refused"),
    (reason) => reason as ApiError,
  );
}

beforeEach(() => {
  choose("en");
  calls = [];
  inFlight = mostInFlight = 0;
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("embedAll", () => {
  it("asks in parts, two at a time, and keeps the texts' order whatever the answers' is", async () => {
    serve(({ texts }, at) => later(at % 2 ? 10 : 300, vectors(texts)));
    const progress: [number, number][] = [];
    const batch = await settled(embedAll("m", numbers(300), { onProgress: (...p) => progress.push(p) }));
    expectRows(batch, 300);
    expect(calls.map((c) => c.texts.length)).toEqual([64, 64, 64, 64, 44]);
    expect(mostInFlight).toBe(2);
    expect(progress[0]).toEqual([0, 300]);
    expect(progress.at(-1)).toEqual([300, 300]);
    expect(progress).toHaveLength(6);
    expect(progress.map(([done]) => done)).toEqual(progress.map(([done]) => done).toSorted((a, b) => a - b));
    expect(batch).toMatchObject({ tokens: 3000, requests: 5, truncated: 0, model: "m", backend: "onnxruntime" });
  });

  it.each([
    [1, 1, 1],
    [5, 2, 3],
    [7, 7, 2],
    [8, 3, 20],
  ])("has all of %i texts with %i a request and %i at a time", async (n, perRequest, parallel) => {
    serve(({ texts }, at) => later(100 - at * 10, vectors(texts)));
    expectRows(await settled(embedAll("m", numbers(n), { perRequest, parallel })), n);
    expect(calls).toHaveLength(Math.ceil(n / perRequest));
    expect(mostInFlight).toBe(Math.min(parallel, Math.ceil(n / perRequest)));
  });

  it("sends the model, base64, the dimensions and what the texts are", async () => {
    serve(({ texts }) => vectors(texts));
    await settled(embedAll("test/m", ["1"], { dimensions: 3, inputType: "query" }));
    expect(calls[0]?.body).toEqual({ model: "test/m", input: ["1"], encoding_format: "base64", dimensions: 3, input_type: "query" });
  });

  it("puts long texts in requests of their own", async () => {
    serve(({ texts }) => vectors(texts.map((t) => t.trim())));
    const long = (n: number, length: number) => String(n).padEnd(length);
    const half = charactersPerRequest / 2;
    const batch = await settled(embedAll("m", [long(0, half), long(1, half), "2", long(3, 2 * charactersPerRequest), "4", "5"]));
    expect(calls.map((c) => c.texts.length)).toEqual([2, 1, 1, 2]);
    expectRows(batch, 6);
  });

  it("asks nothing for no texts", async () => {
    serve(() => expect.fail("nothing is asked"));
    expect(await settled(embedAll("m", []))).toMatchObject({ rows: 0, cols: 0, tokens: 0, requests: 0 });
  });

  it("tells of the slowest request, of what was cut and of all back ends", async () => {
    serve(({ texts }, at) =>
      later(
        [20, 500, 30][at] as number,
        vectors(texts, 3, { "Server-Timing": `run;dur=${at}`, "X-Truncated": String(at), "X-Quadrate-Backend": `b${at % 2}` }),
      ),
    );
    const batch = await settled(embedAll("m", numbers(3), { perRequest: 1 }));
    expect(batch).toMatchObject({ timing: { run: 1 }, truncated: 3, backend: "b0, b1" });
    expect(batch.slowest).toBeGreaterThanOrEqual(500);
    expect(batch.took).toBeGreaterThanOrEqual(batch.slowest);
  });
});

describe("a server that is busy", () => {
  it.each([429, 503])("is asked again after the time that it names: %i", async (status) => {
    const times: number[] = [];
    serve(({ texts }, at) => {
      times.push(Date.now());
      return at < 2 ? refuse(status, "busy", { "Retry-After": "7" }) : vectors(texts);
    });
    const batch = await settled(embedAll("m", numbers(2)));
    expectRows(batch, 2);
    expect(batch.requests).toBe(3);
    expect([times[1], times[2]].map((t) => (t as number) - (times[0] as number))).toEqual([7000, 14000]);
  });

  it("is asked again after 1, 2, 4, 8 and 16 seconds where it names none, and then no more", async () => {
    const times: number[] = [];
    serve(() => {
      times.push(Date.now());
      return refuse(429, "busy");
    });
    const error = await refusal(embedAll("m", numbers(2)));
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 429, message: "busy" });
    expect(times.map((t) => (t - (times[0] as number)) / 1000)).toEqual([0, 1, 3, 7, 15, 31]);
    expect(calls).toHaveLength(mostRepeats + 1);
  });

  it("is not waited for longer than a minute at once", async () => {
    serve(() => refuse(503, "loading", { "Retry-After": String(longestWait + 1) }));
    expect(await refusal(embedAll("m", numbers(2)))).toMatchObject({ status: 503, retryAfter: longestWait + 1 });
    expect(calls).toHaveLength(1);
  });

  it.each([400, 401, 404, 500, 502, 504])("is not what %i says", async (status) => {
    serve(() => refuse(status, "no", { "Retry-After": "1" }));
    expect(await refusal(embedAll("m", numbers(2)))).toMatchObject({ status, message: "no" });
    expect(calls).toHaveLength(1);
  });
});

describe("an error", () => {
  it("names the texts of its part before the server's own words, and keeps the rest of them", async () => {
    serve(({ texts }) => (texts.includes("150") ? refuse(400, "input 22: no") : vectors(texts)));
    const error = await refusal(embedAll("m", numbers(300)));
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 400, message: "Texts 129 to 192: input 22: no", code: "c", param: "input", requestId: "id-1" });
    expect(JSON.parse(error.body).message).toBe("input 22: no");
  });

  it("names one text, in the language of the page", async () => {
    choose("ru");
    serve(({ texts }) => (texts[0] === "1" ? refuse(400, "no") : vectors(texts)));
    expect((await refusal(embedAll("m", numbers(3), { perRequest: 1 }))).message).toBe("Текст 2: no");
  });

  it("stops the rest: what is under way is aborted, and nothing more is asked", async () => {
    serve(({ texts }, at) => later(at === 1 ? 50 : 5000, at === 1 ? refuse(500, "broken") : vectors(texts)));
    const started = Date.now();
    expect((await refusal(embedAll("m", numbers(640)))).message).toBe("Texts 65 to 128: broken");
    expect(calls).toHaveLength(2);
    expect(calls[0]?.signal?.aborted).toBe(true);
    expect(inFlight).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(Date.now() - started).toBeGreaterThanOrEqual(50);
  });

  it("stops a part that waits to ask again", async () => {
    serve((_, at) => (at === 0 ? refuse(503, "busy", { "Retry-After": "60" }) : later(50, refuse(500, "broken"))));
    const started = Date.now();
    await refusal(embedAll("m", numbers(640)));
    expect(calls).toHaveLength(2);
    expect(Date.now() - started).toBe(50);
  });

  it("tells that no answer came", async () => {
    vi.stubGlobal("fetch", async () => {
      throw new TypeError("Failed to fetch");
    });
    expect(await refusal(embedAll("m", numbers(100)))).toMatchObject({ status: 0, message: "Texts 1 to 64: Failed to fetch" });
  });

  it.each([
    [
      "other dimensions than before",
      (texts: string[], at: number) => vectors(texts, at ? 4 : 3),
      "Texts 3 to 4: the vectors have 4 dimensions, and those before them 3",
    ],
    [
      "fewer vectors than texts",
      (texts: string[], at: number) => vectors(texts.slice(at)),
      "Texts 3 to 4: the server answered 1 vectors for 2 texts",
    ],
  ])("is %s", async (_, answer, message) => {
    serve(({ texts }, at) => answer(texts, at));
    expect((await refusal(embedAll("m", numbers(4), { perRequest: 2, parallel: 1 }))).message).toBe(message);
  });
});

describe("cancelling", () => {
  const stop = new DOMException("stop", "AbortError");

  it("aborts what is under way, asks nothing more, and throws the reason", async () => {
    serve(({ texts }) => later(1000, vectors(texts)));
    const mine = new AbortController();
    setTimeout(() => mine.abort(stop), 1500);
    expect(await refusal(embedAll("m", numbers(640), { signal: mine.signal }))).toBe(stop);
    expect(calls).toHaveLength(4);
    expect(inFlight).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not wait for a busy server", async () => {
    serve(() => refuse(429, "busy", { "Retry-After": "60" }));
    const mine = new AbortController();
    setTimeout(() => mine.abort(stop), 100);
    const started = Date.now();
    expect(await refusal(embedAll("m", numbers(2), { signal: mine.signal }))).toBe(stop);
    expect(Date.now() - started).toBe(100);
  });

  it("asks nothing where it came before", async () => {
    serve(() => expect.fail("nothing is asked"));
    expect(await refusal(embedAll("m", numbers(2), { signal: AbortSignal.abort(stop) }))).toBe(stop);
    expect(calls).toHaveLength(0);
  });
});

it("lets the page draw between two parts", async () => {
  vi.useRealTimers();
  serve(({ texts }) => vectors(texts));
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await embedAll("m", numbers(640));
  clearInterval(timer);
  expect(turns).toBeGreaterThanOrEqual(4);
});
