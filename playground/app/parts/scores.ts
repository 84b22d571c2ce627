// How scores of rerankers and of retrieval are shown.
import { words } from "./words";

/** A kind of score in words; one that this page does not know is shown as the server names it. */
export function kindName(kind: string | undefined): string {
  const w = words.value;
  if (kind === "sigmoid" || kind === "logit" || kind === "cosine") return w[kind];
  return kind || w.unknownKind;
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
