// The pairs of n texts in their similarity matrix (n×n, row-major, symmetric).

/** How many pairs n texts make. */
export const pairsOf = (n: number) => (n * (n - 1)) / 2;

/** What is above the diagonal, row after row: each pair i < j once. */
export function upper(similarity: Float32Array, n: number): Float32Array {
  const values = new Float32Array(pairsOf(n));
  let at = 0;
  for (let i = 0; i < n; i++) {
    values.set(similarity.subarray(i * n + i + 1, (i + 1) * n), at);
    at += n - i - 1;
  }
  return values;
}

/** The pair whose value stands at a place of `upper`. */
export function pairAt(at: number, n: number): { i: number; j: number } {
  let i = 0;
  let first = 0;
  while (first + n - i - 1 <= at) {
    first += n - i - 1;
    i++;
  }
  return { i, j: i + 1 + at - first };
}
