// The server's routes that the page uses.
import { type Answer, ApiError, request } from "./http";
import type { AdminModel, AdminModels, Health, Model, Ranked, Task } from "./types";

/** Rows of equal length, one after the other: row i is data[i*cols .. (i+1)*cols]. */
export interface Vectors {
  data: Float32Array;
  rows: number;
  cols: number;
}

export interface Embedded extends Vectors {
  /** The tokens that the model has read. */
  tokens: number;
}

export interface EmbedOptions {
  /** Cut to so many dimensions; undefined: all. */
  dimensions?: number | undefined;
  /**
   * What the texts are in a search. Models such as E5 were trained with another prompt before each, and find less
   * without them; the server has the prompts. undefined: the model's default prompt.
   */
  inputType?: "query" | "document" | undefined;
  signal?: AbortSignal | undefined;
}

/** Embeds up to 2,048 texts with one request. */
export async function embed(model: string, texts: string[], options: EmbedOptions = {}): Promise<Answer<Embedded>> {
  const body: Record<string, unknown> = { model, input: texts, encoding_format: "base64" };
  if (options.dimensions) body.dimensions = options.dimensions;
  if (options.inputType) body.input_type = options.inputType;
  const answer = await request<{ data: { embedding: string }[]; usage: { total_tokens: number } }>(
    "POST",
    "/v1/embeddings",
    body,
    options.signal,
  );
  return { ...answer, data: { ...vectorsOf(answer.data.data.map((d) => d.embedding)), tokens: answer.data.usage.total_tokens } };
}

/** Reads vectors that come as base64 of float32, little endian. */
export function vectorsOf(encoded: string[]): Vectors {
  const rows = encoded.length;
  let data = new Float32Array(0);
  let cols = 0;
  encoded.forEach((text, i) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const row = new Float32Array(bytes.buffer, 0, bytes.byteLength / 4);
    if (i === 0) {
      cols = row.length;
      data = new Float32Array(rows * cols);
    }
    if (row.length !== cols) throw new Error(`vector ${i} has ${row.length} dimensions, and the first has ${cols}`);
    data.set(row, i * cols);
  });
  return { data, rows, cols };
}

export interface RerankOptions {
  /** How many to return; undefined: all. */
  topN?: number | undefined;
  rawScores?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** Ranks up to 1,000 documents by a query, best first. */
export function rerank(model: string, query: string, documents: string[], options: RerankOptions = {}): Promise<Answer<Ranked>> {
  const body: Record<string, unknown> = { model, query, documents };
  if (options.topN) body.top_n = options.topN;
  if (options.rawScores) body.raw_scores = true;
  return request("POST", "/v1/rerank", body, options.signal);
}

/** The models that the caller may use. */
export const listModels = async (signal?: AbortSignal): Promise<Model[]> =>
  (await request<{ data: Model[] }>("GET", "/v1/models", undefined, signal)).data.data;

/** How the server and its models are; a server that is not ready answers, too. */
export async function health(signal?: AbortSignal): Promise<Health> {
  try {
    return (await request<Health>("GET", "/health", undefined, signal)).data;
  } catch (reason) {
    const told = reason instanceof ApiError && reason.status === 503 && healthOf(reason.body);
    if (told) return told;
    throw reason;
  }
}

/** undefined: it is not this server's, but of something before it. */
function healthOf(body: string): Health | undefined {
  try {
    const told = JSON.parse(body);
    return Array.isArray(told?.models) ? told : undefined;
  } catch {
    return undefined;
  }
}

/** What admins see; refused to others with 401 or 403. */
export const adminModels = async (signal?: AbortSignal): Promise<AdminModels> =>
  (await request<AdminModels>("GET", "/admin/models", undefined, signal)).data;

/**
 * Takes a model into memory or out of it; answers how it is once that is done, which may take minutes. One whose files
 * are absent and need not be there is not loaded, which is no error.
 */
export const changeModel = (id: string, change: "load" | "unload", signal?: AbortSignal) =>
  request<AdminModel>("POST", `/admin/models/${encodeURIComponent(id)}/${change}`, undefined, signal);

export const can = (model: Model, task: Task) => model.tasks.includes(task);
