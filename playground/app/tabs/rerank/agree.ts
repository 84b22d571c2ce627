// How far two rerankers agree.
import { kendall, spearman } from "../../math/rank";
import type { Results } from "./ranking";

export interface Agreement {
  /** The documents that are in both lists: what the correlations are over. */
  common: number;
  /** The documents of the longer list. */
  of: number;
  /** −1 … 1; NaN with fewer than two documents, or where one reranker scores all of them the same. */
  spearman: number;
  kendall: number;
}

/**
 * The rank correlation of two lists over the documents that both have. With top_n these are fewer than were
 * asked about, and what one reranker has left out counts for nothing: its score is not known.
 */
export function agree(a: Results, b: Results): Agreement {
  const scores = new Map(b.map((r) => [r.index, r.relevance_score]));
  const common = a.filter((r) => scores.has(r.index));
  const ofA = common.map((r) => r.relevance_score);
  const ofB = common.map((r) => scores.get(r.index) as number);
  return { common: common.length, of: Math.max(a.length, b.length), spearman: spearman(ofA, ofB), kendall: kendall(ofA, ofB) };
}
