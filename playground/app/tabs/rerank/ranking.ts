// Ranked documents as rows.
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
