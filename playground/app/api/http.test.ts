import { afterEach, describe, expect, it, vi } from "vitest";
import { ApiError, credentials, request, timingOf } from "./http";

afterEach(() => {
  credentials.key = "";
  vi.unstubAllGlobals();
});

function answer(body: string, init?: ResponseInit) {
  const fetch = vi.fn(async (_path: string, _init: RequestInit) => new Response(body, init));
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

const refused = (work: Promise<unknown>): Promise<ApiError> =>
  work.then(
    () => expect.fail("must be refused"),
    (reason) => reason,
  );

describe("request", () => {
  it("sends JSON, and the key where there is one", async () => {
    const fetch = answer("{}");
    await request("POST", "/v1/rerank", { query: "a\0\ud800" });
    expect(fetch).toHaveBeenCalledWith("/v1/rerank", {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/json" },
      body: '{"query":"a\\u0000\\ud800"}',
      cache: "no-store",
    });
    credentials.key = "k";
    await request("GET", "/health");
    expect(fetch).toHaveBeenLastCalledWith("/health", {
      method: "GET",
      headers: { Accept: "application/json", Authorization: "Bearer k" },
      cache: "no-store",
    });
  });

  it("tells what the headers say", async () => {
    answer('{"a":1}', {
      headers: {
        "Server-Timing": "tokenize;dur=0.1, queue;dur=0.02, run;dur=6",
        "X-Truncated": "2",
        "X-Quadrate-Model": "m",
        "X-Quadrate-Backend": "ort",
        "X-Request-Id": "r",
      },
    });
    const got = await request("GET", "/health");
    expect(got).toMatchObject({
      data: { a: 1 },
      timing: { tokenize: 0.1, queue: 0.02, run: 6 },
      truncated: 2,
      model: "m",
      backend: "ort",
      requestId: "r",
    });
    expect(got.took).toBeGreaterThanOrEqual(0);
  });

  it("does without these headers", async () => {
    answer("{}");
    expect(await request("GET", "/health")).toMatchObject({ timing: {}, truncated: 0, model: "", backend: "", requestId: "" });
  });

  const openai =
    '{"error":{"message":"no model is called \\"x\\"","type":"invalid_request_error","param":"model","code":"model_not_found"}}';
  it.each([
    ["OpenAI's shape", 404, openai, { message: 'no model is called "x"', code: "model_not_found", param: "model" }],
    ["Cohere's shape", 400, '{"message":"no"}', { message: "no", code: "", param: "" }],
    ["TEI's shape", 429, '{"error":"overloaded","error_type":"Overloaded"}', { message: "overloaded", code: "Overloaded" }],
    ["a proxy's page", 502, "<h1>Bad Gateway</h1>", { message: "<h1>Bad Gateway</h1>", code: "" }],
    ["nothing", 504, "", { message: "Gateway Timeout" }],
    ["a word", 500, '"broken"', { message: '"broken"' }],
  ])("refuses with %s", async (_, status, body, want) => {
    answer(body, { status, statusText: status === 504 ? "Gateway Timeout" : "", headers: { "Retry-After": "3", "X-Request-Id": "r" } });
    const error = await refused(request("GET", "/x"));
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status, body, retryAfter: 3, requestId: "r", ...want });
  });

  it("names the status where nothing else was said", async () => {
    answer("", { status: 500 });
    expect((await refused(request("GET", "/x"))).message).toBe("500");
  });

  it("takes a Retry-After that is a date for none", async () => {
    answer("{}", { status: 503, headers: { "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT" } });
    expect((await refused(request("GET", "/x"))).retryAfter).toBe(0);
  });

  it("refuses what is not JSON", async () => {
    answer("<html>");
    expect(await refused(request("GET", "/x"))).toMatchObject({ message: "the answer is not JSON", status: 200, body: "<html>" });
  });

  it("has the status 0 where no answer came", async () => {
    vi.stubGlobal("fetch", async () => {
      throw new TypeError("Failed to fetch");
    });
    expect(await refused(request("GET", "/x"))).toMatchObject({ name: "ApiError", message: "Failed to fetch", status: 0 });
  });

  it("throws the signal's reason when it was cancelled", async () => {
    const reason = new DOMException("stop", "AbortError");
    vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
      throw init.signal?.reason;
    });
    expect(await refused(request("GET", "/x", undefined, AbortSignal.abort(reason)))).toBe(reason);
  });
});

it.each([
  ["", {}],
  ["tokenize;dur=0.194, queue;dur=0.022, run;dur=6.206", { tokenize: 0.194, queue: 0.022, run: 6.206 }],
  ['run;desc="on the CPU";dur=12,other;dur=5', { run: 12 }],
  ["run, cdn-cache;dur=1", {}],
])("timingOf(%j)", (header, want) => expect(timingOf(header)).toEqual(want));
