// Ranked documents as rows, and the scale of their scores.
import type { Ranked } from "../../api/types";

export type Results = Ranked["results"];

/** A document in a ranked list. Positions count from 1. */
export interface Row {
  index: number;
  document: string;
  score: number;
  position: number;
  entered: number;
  /** How many places it went up from where it was entered; below 0: down. */
  change: number;
  /** Another document of the list has the very same score: the order of the two says nothing. */
  tied: boolean;
  /** Its position in the other list; undefined: it is not there. */
  other: number | undefined;
}

/** The rows of a list that is sorted best first. other is the list that it is compared with, if any. */
export function rowsOf(results: Results, documents: string[], other: Results = []): Row[] {
  const elsewhere = new Map(other.map((r, i) => [r.index, i + 1]));
  return results.map(({ index, relevance_score: score }, i) => ({
    index,
    document: documents[index] ?? "",
    score,
    position: i + 1,
    entered: index + 1,
    change: index - i,
    tied: results[i - 1]?.relevance_score === score || results[i + 1]?.relevance_score === score,
    other: elsewhere.get(index),
  }));
}

export interface Scale {
  min: number;
  max: number;
}

/**
 * Where the bars of scores begin and end. Sigmoid scores have the whole of 0 to 1 and cosines reach to 1, so
 * that low scores look low; logits have no bounds and reach as far as the scores do. 0 is always on it.
 */
export function scaleOf(kind: string | undefined, scores: number[]): Scale {
  const bounded = kind === "sigmoid" || kind === "cosine";
  const min = scores.reduce((a, b) => Math.min(a, b), 0);
  const max = scores.reduce((a, b) => Math.max(a, b), bounded ? 1 : 0);
  return min === max ? { min, max: min + 1 } : { min, max };
}

/** The digits after the point that show a score to at least three significant ones, 4 to 10 of them. */
export function digitsOf(score: number): number {
  const size = Math.abs(score);
  if (size === 0 || size >= 0.1) return 4;
  return Math.min(10, Math.ceil(-Math.log10(size)) + 2);
}
