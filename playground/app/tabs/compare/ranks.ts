// What of a similarity matrix (n×n, row-major, symmetric) does not depend on its model's scale.
import { upper } from "../../math/pairs";
import { ranks } from "../../math/rank";

/**
 * The matrix with each pair's similarity replaced by its percentile: the share of the other pairs
 * that are less similar, equal ones counted half, 0 to 1. The diagonal, which is no pair, is 1.
 */
export function percentiles(similarity: Float32Array, n: number): Float32Array {
  const places = ranks(upper(similarity, n));
  const out = new Float32Array(n * n).fill(1);
  let at = 0;
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const share = places.length > 1 ? (places.length - (places[at] as number)) / (places.length - 1) : 1;
      out[i * n + j] = out[j * n + i] = share;
      at++;
    }
  }
  return out;
}

/** For each text its most similar other text, the first of equal ones; −1 where there is no other. */
export function nearestOthers(similarity: Float32Array, n: number): number[] {
  const value = (i: number, j: number) => similarity[i * n + j] as number;
  return Array.from({ length: n }, (_, i) => {
    let best = -1;
    for (let j = 0; j < n; j++) {
      if (j !== i && (best < 0 || value(i, j) > value(i, best))) best = j;
    }
    return best;
  });
}

/** The share of the n texts, at least 2, whose most similar other text is the same in both, 0 to 1. */
export function sameNearest(a: Float32Array, b: Float32Array, n: number): number {
  const there = nearestOthers(b, n);
  return nearestOthers(a, n).filter((j, i) => j === there[i]).length / n;
}
