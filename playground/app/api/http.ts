// How the page asks the server, and what it makes of the answers' headers and errors.

import { words } from "./words";

/** The key that requests carry; empty: none. Set by shell/key.ts. */
export const credentials = { key: "" };

/** What the server has written in Server-Timing, in milliseconds. */
export interface Timing {
  tokenize?: number;
  queue?: number;
  run?: number;
}

/** An answer with what its headers tell. */
export interface Answer<T> {
  data: T;
  /** Milliseconds from the request's start to the answer's last byte, as the browser sees it. */
  took: number;
  timing: Timing;
  /** How many inputs were cut. */
  truncated: number;
  /** The model and the back end that answered; empty: the server did not say. */
  model: string;
  backend: string;
  requestId: string;
}

/** A refusal, with the server's own words. status is 0 where no answer came. */
export class ApiError extends Error {
  override name = "ApiError";
  constructor(
    message: string,
    readonly status: number,
    /** The body as it was served. */
    readonly body = "",
    readonly code = "",
    readonly param = "",
    readonly requestId = "",
    /** Seconds after which to ask again; 0: the server did not say. */
    readonly retryAfter = 0,
  ) {
    super(message);
  }
}

/** Asks the server. The path is one of this server's; a body is sent as JSON. */
export async function request<T>(method: "GET" | "POST", path: string, body?: unknown, signal?: AbortSignal): Promise<Answer<T>> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (credentials.key) headers.Authorization = `Bearer ${credentials.key}`;
  const init: RequestInit = { method, headers, cache: "no-store" };
  if (signal) init.signal = signal;
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  const started = performance.now();
  let response: Response;
  let text: string;
  try {
    response = await fetch(path, init);
    text = await response.text();
  } catch (reason) {
    if (signal?.aborted) throw reason;
    throw new ApiError(reason instanceof Error ? reason.message : String(reason), 0);
  }
  const took = performance.now() - started;
  if (!response.ok) throw refusal(response, text);
  return {
    data: parse(text, response) as T,
    took,
    timing: timingOf(response.headers.get("Server-Timing") ?? ""),
    truncated: Number(response.headers.get("X-Truncated") ?? 0),
    model: response.headers.get("X-Quadrate-Model") ?? "",
    backend: response.headers.get("X-Quadrate-Backend") ?? "",
    requestId: response.headers.get("X-Request-Id") ?? "",
  };
}

function parse(text: string, response: Response): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(words.value.notJSON, response.status, text);
  }
}

function refusal(response: Response, text: string): ApiError {
  let message = text || response.statusText || String(response.status);
  let code = "";
  let param = "";
  try {
    const body = JSON.parse(text);
    message = body.error?.message ?? body.message ?? (typeof body.error === "string" ? body.error : message);
    code = body.error?.code ?? body.error_type ?? "";
    param = body.error?.param ?? "";
  } catch {
    // What something between the browser and the server has written.
  }
  const { headers, status } = response;
  return new ApiError(message, status, text, code, param, headers.get("X-Request-Id") ?? "", Number(headers.get("Retry-After") ?? 0) || 0);
}

/** Reads a Server-Timing header such as `tokenize;dur=0.194, queue;dur=0.022, run;dur=6.206`. */
export function timingOf(header: string): Timing {
  const timing: Timing = {};
  for (const part of header.split(",")) {
    const found = /^\s*(tokenize|queue|run)\s*;.*?dur=([0-9.]+)/.exec(part);
    if (found) timing[found[1] as keyof Timing] = Number(found[2]);
  }
  return timing;
}
