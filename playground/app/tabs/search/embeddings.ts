// Embeds texts as the queries or the documents of a search. Models such as E5 were trained with another
// prompt before each, and find less without them; the server has the prompts, and is told which it is.
import { charactersPerRequest, longestWait, mostRepeats } from "../../api/batch";
import { type Vectors, vectorsOf } from "../../api/calls";
import { type Answer, ApiError, request, type Timing } from "../../api/http";
import type { Report } from "../../parts/Run";
import { words } from "./words";

/** What calls to a model have cost. */
export interface Cost {
  /** Milliseconds from the start of the first to the end of the last, as the page sees it. */
  took: number;
  requests: number;
  /** undefined: the server does not say. */
  tokens?: number | undefined;
  /** What the server told of the call that took the longest. */
  timing: Timing;
  /** How many texts were cut to the model's length. */
  truncated: number;
}

export type Embeddings = Vectors & Cost;

export interface Texts {
  model: string;
  type: "query" | "document";
  texts: string[];
}

interface Served {
  data: { embedding: string }[];
  usage: { total_tokens: number };
}

/** The most texts of a request. */
const perRequest = 64;

/**
 * Embeds any number of texts, one request after the other. A server that is busy (429, 503) is asked
 * again when it says, or after 1, 2, 4 … seconds. Any other error stops everything and names the texts;
 * throws the signal's reason when it is aborted.
 */
export async function embeddings({ model, type, texts }: Texts, signal: AbortSignal, report: Report = () => {}): Promise<Embeddings> {
  const sum: Embeddings = {
    data: new Float32Array(0),
    rows: texts.length,
    cols: 0,
    took: 0,
    requests: 0,
    tokens: 0,
    timing: {},
    truncated: 0,
  };
  let slowest = -1;
  const started = performance.now();
  report(0, texts.length);
  for (let from = 0; from < texts.length; ) {
    const to = end(texts, from);
    const body = { model, input: texts.slice(from, to), input_type: type, encoding_format: "base64" };
    const answer = await patiently(() => request<Served>("POST", "/v1/embeddings", body, signal), signal).catch((reason) => {
      throw to - from < texts.length ? named(reason, from, to) : reason;
    });
    put(sum, answer, from, to);
    sum.requests++;
    if (answer.took > slowest) {
      slowest = answer.took;
      sum.timing = answer.timing;
    }
    from = to;
    report(from, texts.length);
  }
  return { ...sum, took: performance.now() - started };
}

/** Where the request ends that begins at a text: bounded in texts and in characters. */
function end(texts: string[], from: number): number {
  let characters = 0;
  for (let to = from; to < texts.length; to++) {
    characters += texts[to]?.length ?? 0;
    if (to > from && (to - from >= perRequest || characters > charactersPerRequest)) return to;
  }
  return texts.length;
}

/** Adds the vectors and counts of the texts from `from` up to `to`. */
function put(sum: Embeddings, { data: served, truncated }: Answer<Served>, from: number, to: number): void {
  const part = vectorsOf(served.data.map((d) => d.embedding));
  if (from === 0) {
    sum.cols = part.cols;
    sum.data = new Float32Array(sum.rows * sum.cols);
  }
  if (part.rows !== to - from || part.cols !== sum.cols) throw new Error(words.value.shape(part.rows, part.cols, to - from, sum.cols));
  sum.data.set(part.data, from * sum.cols);
  sum.tokens = (sum.tokens ?? 0) + served.usage.total_tokens;
  sum.truncated += truncated;
}

async function patiently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let repeat = 0; ; repeat++) {
    try {
      return await ask();
    } catch (reason) {
      if (!(reason instanceof ApiError) || ![429, 503].includes(reason.status)) throw reason;
      if (repeat === mostRepeats || reason.retryAfter > longestWait) throw reason;
      await wait(reason.retryAfter || 2 ** repeat, signal);
    }
  }
}

function wait(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, seconds * 1000);
    signal.addEventListener("abort", stop, { once: true });
  });
}

function named(reason: unknown, from: number, to: number): unknown {
  if (!(reason instanceof ApiError)) return reason;
  const { status, body, code, param, requestId, retryAfter } = reason;
  return new ApiError(words.value.part(from + 1, to, reason.message), status, body, code, param, requestId, retryAfter);
}
