// The orders in which texts are shown.
import type { Vectors } from "../../api/calls";

/** The first rows, at most n, copied: a view would take all rows with it into the worker. */
export function firstRows(v: Vectors, n: number): Vectors {
  const rows = Math.min(n, v.rows);
  return { data: v.data.slice(0, rows * v.cols), rows, cols: v.cols };
}

/** Row i of the vectors, cols long, copied. */
export const row = (v: Vectors, i: number): Float32Array => v.data.slice(i * v.cols, (i + 1) * v.cols);

/**
 * The texts by their similarity to one of them, the most similar first; ties by index. That one comes
 * first whatever its similarity to others is. similarity is n×n, row-major.
 */
export function bySimilarityTo(similarity: Float32Array, n: number, to: number): number[] {
  const score = (i: number) => (i === to ? Number.POSITIVE_INFINITY : (similarity[to * n + i] ?? Number.NEGATIVE_INFINITY));
  return Array.from({ length: n }, (_, i) => i).sort((a, b) => score(b) - score(a) || a - b);
}

/** The indices of the texts that contain what is looked for, upper and lower case alike. All at "". */
export function matching(texts: string[], wanted: string): number[] {
  const needle = wanted.trim().toLowerCase();
  const found: number[] = [];
  texts.forEach((text, i) => {
    if (text.toLowerCase().includes(needle)) found.push(i);
  });
  return found;
}
