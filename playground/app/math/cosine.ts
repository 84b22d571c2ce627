import type { Vectors } from "../api/calls";

/** The most rows that `cosine` takes: their matrix has 16 MiB. */
export const mostRows = 2048;

/**
 * The cosine similarity of each row with each, rows×rows, row-major and symmetric, within −1 and 1.
 * A row that has no length is similar to nothing: 0, to itself as well. RangeError above mostRows.
 */
export function cosine(v: Vectors): Float32Array<ArrayBuffer> {
  const { data, rows, cols } = v;
  if (rows > mostRows) throw new RangeError(`${rows} rows are more than ${mostRows}`);
  const lengths = norms(v);
  const similarity = new Float32Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    similarity[i * rows + i] = lengths[i] ? 1 : 0;
    for (let j = 0; j < i; j++) {
      const value = ratio(product(data, i * cols, data, j * cols, cols), (lengths[i] as number) * (lengths[j] as number));
      similarity[i * rows + j] = similarity[j * rows + i] = value;
    }
  }
  return similarity;
}

export interface Neighbour {
  index: number;
  score: number;
}

/** The k rows that are most similar to the query by cosine, best first, ties by index. RangeError where the dimensions differ. */
export function nearest(v: Vectors, query: Float32Array, k: number): Neighbour[] {
  const { data, rows, cols } = v;
  if (rows > 0 && query.length !== cols) throw new RangeError(`the query has ${query.length} dimensions, and the rows ${cols}`);
  const length = Math.sqrt(product(query, 0, query, 0, query.length));
  const lengths = norms(v);
  const found: Neighbour[] = [];
  for (let i = 0; i < rows; i++) {
    found.push({ index: i, score: ratio(product(data, i * cols, query, 0, cols), (lengths[i] as number) * length) });
  }
  return found.sort((a, b) => b.score - a.score || a.index - b.index).slice(0, Math.max(0, k));
}

/** Row i, as a view. */
export const row = ({ data, cols }: Vectors, i: number): Float32Array => data.subarray(i * cols, (i + 1) * cols);

function norms({ data, rows, cols }: Vectors): Float64Array {
  return Float64Array.from({ length: rows }, (_, i) => Math.sqrt(product(data, i * cols, data, i * cols, cols)));
}

/** Rounding must not take a cosine out of its range. */
const ratio = (product: number, lengths: number) => (lengths === 0 ? 0 : Math.min(1, Math.max(-1, product / lengths)));

/**
 * The dot product of n values of a from i and of b from j, in double precision. Four sums that do not wait for
 * each other are faster than one, and so is always the same kind of array.
 */
function product(a: Float32Array, i: number, b: Float32Array, j: number, n: number): number {
  let s = 0;
  let t = 0;
  let u = 0;
  let w = 0;
  let at = 0;
  for (; at + 3 < n; at += 4) {
    s += (a[i + at] as number) * (b[j + at] as number);
    t += (a[i + at + 1] as number) * (b[j + at + 1] as number);
    u += (a[i + at + 2] as number) * (b[j + at + 2] as number);
    w += (a[i + at + 3] as number) * (b[j + at + 3] as number);
  }
  for (; at < n; at++) s += (a[i + at] as number) * (b[j + at] as number);
  return s + t + u + w;
}
