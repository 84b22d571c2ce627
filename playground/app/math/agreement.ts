import { pairAt, upper } from "./pairs";
import { kendall, ranks, spearman } from "./rank";

export interface Disagreement {
  /** The pair of texts, i < j. */
  i: number;
  j: number;
  /** Its similarity in both matrices. */
  a: number;
  b: number;
  /** Its place among all pairs in both, 1 for the most similar one; equal pairs share the mean of their places. */
  rankA: number;
  rankB: number;
}

export interface Agreement {
  /** NaN where one side says the same of all pairs. */
  spearman: number;
  kendall: number;
  /** The pairs whose ranks differ most, ties by i and j. */
  disagreements: Disagreement[];
}

/** The most texts whose pairs are compared: about half a million pairs. */
export const mostTexts = 1000;

/** How far two similarity matrices (n×n, row-major, symmetric) order the pairs of n texts alike. RangeError above mostTexts. */
export function agreement(a: Float32Array, b: Float32Array, n: number, top: number): Agreement {
  if (n > mostTexts) throw new RangeError(`${n} texts are more than ${mostTexts}`);
  if (a.length !== n * n || b.length !== n * n) throw new RangeError(`matrices of ${a.length} and ${b.length} values are not ${n}×${n}`);
  const above = upper(a, n);
  const beside = upper(b, n);
  return { spearman: spearman(above, beside), kendall: kendall(above, beside), disagreements: disagreements(above, beside, n, top) };
}

function disagreements(a: Float32Array, b: Float32Array, n: number, top: number): Disagreement[] {
  const ranksA = ranks(a);
  const ranksB = ranks(b);
  const apart = (at: number) => Math.abs((ranksA[at] as number) - (ranksB[at] as number));
  const order = Uint32Array.from({ length: a.length }, (_, at) => at).sort((p, q) => apart(q) - apart(p) || p - q);
  return Array.from(order.subarray(0, Math.max(0, top)), (at) => ({
    ...pairAt(at, n),
    a: a[at] as number,
    b: b[at] as number,
    rankA: ranksA[at] as number,
    rankB: ranksB[at] as number,
  }));
}
