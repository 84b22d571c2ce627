// What reranking does to the order of what was retrieved.
import { kendall, spearman } from "../../math/rank";

/** A document that was retrieved, by its index among all. */
export interface Hit {
  index: number;
  /** Cosine similarity to the query, -1 to 1. */
  score: number;
}

/** A retrieved document in both orders. Places count from 1. */
export interface Move {
  document: number;
  similarity: number;
  score: number;
  before: number;
  after: number;
}

/** How many places a document has gained; negative: lost. */
export const gain = (move: Move) => move.before - move.after;

/**
 * The retrieved documents in the reranker's order. `ranked` has each position of `hits` once, best
 * first; null: it has not, and the two orders cannot be compared.
 */
export function moves(hits: Hit[], ranked: { index: number; relevance_score: number }[]): Move[] | null {
  if (ranked.length !== hits.length || new Set(ranked.map((r) => r.index)).size !== hits.length) return null;
  const result: Move[] = [];
  for (const { index, relevance_score } of ranked) {
    const hit = hits[index];
    if (!hit) return null;
    result.push({ document: hit.index, similarity: hit.score, score: relevance_score, before: index + 1, after: result.length + 1 });
  }
  return result;
}

export interface Change {
  /** How many documents have another place than before. */
  moved: number;
  /** Places by which a document has moved on average, those at rest included. */
  mean: number;
  /** Who gained and who lost most, the first of equals in the new order; null: nobody. */
  rise: Move | null;
  fall: Move | null;
  /** How many of the best `top` were not among the best `top` before. */
  top: number;
  entered: number;
  /** Rank correlations of the two orders, -1 to 1; NaN for fewer than two documents. */
  spearman: number;
  kendall: number;
}

/** What has changed for the best `top` and for all. `list` is in the reranker's order. */
export function change(list: Move[], top: number): Change {
  const before = list.map((m) => m.before);
  const after = list.map((m) => m.after);
  const moved = list.filter((m) => gain(m) !== 0);
  const most = (sign: 1 | -1) =>
    moved.reduce<Move | null>((best, m) => (sign * gain(m) > Math.max(0, best ? sign * gain(best) : 0) ? m : best), null);
  return {
    moved: moved.length,
    mean: list.length ? moved.reduce((sum, m) => sum + Math.abs(gain(m)), 0) / list.length : 0,
    rise: most(1),
    fall: most(-1),
    top: Math.min(top, list.length),
    entered: list.slice(0, top).filter((m) => m.before > top).length,
    spearman: spearman(before, after),
    kendall: kendall(before, after),
  };
}
