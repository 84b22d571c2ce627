// Embeds any number of texts, in parts that the server and the page bear.
import { number } from "../i18n/language";
import { type Embedded, type EmbedOptions, embed, type Vectors } from "./calls";
import { type Answer, ApiError, type Timing } from "./http";
import { words } from "./words";

export interface BatchOptions extends EmbedOptions {
  /** Called with how many texts are done, at the start and after each part. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** The most texts of a request. */
  perRequest?: number | undefined;
  /** The most requests at a time. */
  parallel?: number | undefined;
}

/** The vectors of all texts, in the texts' order, and what the answers told. */
export interface Batch extends Vectors {
  /** The tokens that the model has read. */
  tokens: number;
  /** How many requests were sent, those included that the server put off. */
  requests: number;
  /** Milliseconds from the first request's start to the last answer, waiting included. */
  took: number;
  /** How many texts were cut. */
  truncated: number;
  /** The model and the back ends that answered, separated by commas; empty: the server did not say. */
  model: string;
  backend: string;
  /** What the server told of the request that took the longest, and how long it took, as the browser sees it. */
  timing: Timing;
  slowest: number;
}

/** The most characters of a request, unless one text alone has more: at most 3 MiB as UTF-8, less than servers allow. */
export const charactersPerRequest = 1 << 20;

/** A server that is busy is asked again so many times for one part … */
export const mostRepeats = 5;
/** … if it bids to wait no longer than this, in seconds. */
export const longestWait = 60;

/**
 * Embeds texts with as many requests as it takes, up to 2,048 texts in each. After 429 and 503 a part is asked for again when
 * the server says, or after 1, 2, 4 … seconds where it does not. The first error stops everything: it is an
 * ApiError with the server's words, which names the part's texts where there are several parts. Throws the
 * signal's reason when it is aborted.
 */
export async function embedAll(model: string, texts: string[], options: BatchOptions = {}): Promise<Batch> {
  const { signal, onProgress, perRequest = 64, parallel = 2, dimensions, inputType } = options;
  signal?.throwIfAborted();
  const own = new AbortController();
  const follow = () => own.abort(signal?.reason);
  signal?.addEventListener("abort", follow);
  const parts = split(texts, perRequest);
  const gathered = new Gathering(texts.length);
  const started = performance.now();
  const sent = { requests: 0 };
  const work = async () => {
    for (let part = parts.next(); !part.done; part = parts.next()) {
      const { from, to } = part.value;
      try {
        const answer = await patiently(own.signal, () => {
          sent.requests++;
          return embed(model, texts.slice(from, to), { dimensions, inputType, signal: own.signal });
        });
        gathered.add(answer, from, to);
      } catch (reason) {
        throw from === 0 && to === texts.length ? reason : named(reason, from, to);
      }
      onProgress?.(gathered.done, texts.length);
      await pause(0, own.signal);
    }
  };
  onProgress?.(0, texts.length);
  try {
    await Promise.all(Array.from({ length: Math.max(1, parallel) }, work));
  } catch (reason) {
    own.abort(reason);
    signal?.throwIfAborted();
    throw reason;
  } finally {
    signal?.removeEventListener("abort", follow);
  }
  return gathered.batch(sent.requests, performance.now() - started);
}

interface Part {
  from: number;
  to: number;
}

/** Parts of consecutive texts, bounded in texts and in characters. */
function* split(texts: string[], most: number): Generator<Part, undefined> {
  let from = 0;
  let characters = 0;
  for (let to = 0; to < texts.length; to++) {
    const more = texts[to]?.length ?? 0;
    if (to > from && (to - from >= most || characters + more > charactersPerRequest)) {
      yield { from, to };
      from = to;
      characters = 0;
    }
    characters += more;
  }
  if (from < texts.length) yield { from, to: texts.length };
}

/** Asks again where the server was busy. */
async function patiently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (let repeat = 0; ; repeat++) {
    try {
      return await ask();
    } catch (reason) {
      const seconds = secondsToWait(reason, repeat);
      if (seconds === null) throw reason;
      await pause(seconds * 1000, signal);
    }
  }
}

/** null: there is no use in asking again. */
function secondsToWait(reason: unknown, repeat: number): number | null {
  if (!(reason instanceof ApiError) || (reason.status !== 429 && reason.status !== 503)) return null;
  if (repeat >= mostRepeats || reason.retryAfter > longestWait) return null;
  return reason.retryAfter || 2 ** repeat;
}

/** Waits; the page draws and answers meanwhile. Throws the signal's reason when it is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}

/** The error, with the texts that it is about before the server's own words. */
function named(reason: unknown, from: number, to: number): unknown {
  if (!(reason instanceof Error) || reason.name === "AbortError") return reason;
  const message = words.value.part(number(from + 1), number(to), reason.message);
  if (!(reason instanceof ApiError)) return new Error(message, { cause: reason });
  const { status, body, code, param, requestId, retryAfter } = reason;
  return new ApiError(message, status, body, code, param, requestId, retryAfter);
}

/** Takes the parts' vectors as they come, in any order. */
class Gathering {
  done = 0;
  private data = new Float32Array(0);
  private cols = 0;
  private tokens = 0;
  private truncated = 0;
  private readonly models = new Set<string>();
  private readonly backends = new Set<string>();
  private timing: Timing = {};
  private slowest = 0;

  constructor(private readonly rows: number) {}

  add({ data: part, took, timing, truncated, model, backend }: Answer<Embedded>, from: number, to: number): void {
    if (part.rows !== to - from) throw new Error(words.value.rows(number(part.rows), number(to - from)));
    if (this.done === 0) {
      this.cols = part.cols;
      this.data = new Float32Array(this.rows * this.cols);
    }
    if (part.cols !== this.cols) throw new Error(words.value.dimensions(number(part.cols), number(this.cols)));
    this.data.set(part.data, from * this.cols);
    this.done += part.rows;
    this.tokens += part.tokens;
    this.truncated += truncated;
    if (model) this.models.add(model);
    if (backend) this.backends.add(backend);
    if (took >= this.slowest) {
      this.slowest = took;
      this.timing = timing;
    }
  }

  batch(requests: number, took: number): Batch {
    const { data, rows, cols, tokens, truncated, timing, slowest } = this;
    const list = (names: Set<string>) => [...names].join(", ");
    return { data, rows, cols, tokens, requests, took, truncated, model: list(this.models), backend: list(this.backends), timing, slowest };
  }
}
