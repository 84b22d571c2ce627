// The comparison itself: several models embed the same texts, and what they find similar is ranked.
import { type Batch, embedAll } from "../../api/batch";
import { math } from "../../math";
import type { Agreement as Found } from "../../math/agreement";
import { sameNearest } from "./ranks";

export const limits = {
  /** How many models are compared; each has its own heat map. */
  models: { min: 2, max: 4 },
  /** Three texts make three pairs, the fewest whose order says something; a heat map shows up to 200. */
  texts: { min: 3, max: 200 },
};

/** How many pairs of texts are listed on which two models disagree. */
const listed = 20;

/** What one model makes of the texts. */
export interface Side {
  model: string;
  batch: Batch;
  /** Cosines of the texts, n×n, row-major. */
  similarity: Float32Array;
  /** The texts so that similar ones lie side by side. */
  clustered: number[];
}

/** How far two models agree on the pairs of texts. */
export interface Agreement extends Found {
  a: Side;
  b: Side;
  /** Share of the texts whose most similar other text is the same, 0 to 1. */
  nearest: number;
}

export interface Comparison {
  texts: string[];
  sides: Side[];
  /** Models that gave no vectors, and why. */
  failed: { model: string; error: unknown }[];
  /** Each two of the sides, in their order. */
  agreements: Agreement[];
}

/**
 * Has the models embed the texts, one model after the other, so that none slows another down, and
 * one request at a time. A model that fails is left out; cancelling ends the whole with an error.
 */
export async function compare(
  models: string[],
  texts: string[],
  signal?: AbortSignal,
  report?: (done: number, total: number) => void,
): Promise<Comparison> {
  const sides: Side[] = [];
  const failed: Comparison["failed"] = [];
  for (const [k, model] of models.entries()) {
    const onProgress = (done: number) => report?.(k * texts.length + done, models.length * texts.length);
    onProgress(0);
    try {
      sides.push(await sideOf(model, await embedAll(model, texts, { signal, onProgress, parallel: 1 })));
    } catch (error) {
      signal?.throwIfAborted();
      failed.push({ model, error });
    }
  }
  const agreements: Agreement[] = [];
  for (const [k, a] of sides.entries()) {
    for (const b of sides.slice(k + 1)) agreements.push(await agree(a, b, texts.length));
  }
  signal?.throwIfAborted();
  return { texts, sides, failed, agreements };
}

async function sideOf(model: string, batch: Batch): Promise<Side> {
  const similarity = await math.cosine({ data: batch.data, rows: batch.rows, cols: batch.cols });
  return { model, batch, similarity, clustered: await math.cluster(similarity, batch.rows) };
}

async function agree(a: Side, b: Side, n: number): Promise<Agreement> {
  const found = await math.agreement(a.similarity, b.similarity, n, listed);
  return { a, b, ...found, nearest: sameNearest(a.similarity, b.similarity, n) };
}
