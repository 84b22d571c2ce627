import type { Vectors } from "../api/calls";

/** The most rows that `cosine` takes: their matrix has 64 MiB. */
export const mostRows = 4096;

/**
 * The cosine similarity of each row with each, rows×rows, row-major and symmetric, within −1 and 1.
 * A row that has no length is similar to nothing: 0, to itself as well. RangeError above mostRows.
 */
export function cosine(v: Vectors): Float32Array<ArrayBuffer> {
  const { rows } = v;
  if (rows > mostRows) throw new RangeError(`${rows} rows are more than ${mostRows}`);
  const lengths = norms(v);
  const similarity = new Float32Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    const a = row(v, i);
    similarity[i * rows + i] = lengths[i] ? 1 : 0;
    for (let j = 0; j < i; j++) {
      const value = ratio(dot(a, row(v, j)), (lengths[i] as number) * (lengths[j] as number));
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
  if (v.rows > 0 && query.length !== v.cols) throw new RangeError(`the query has ${query.length} dimensions, and the rows ${v.cols}`);
  const length = Math.sqrt(dot(query, query));
  const lengths = norms(v);
  const found: Neighbour[] = [];
  for (let i = 0; i < v.rows; i++) found.push({ index: i, score: ratio(dot(row(v, i), query), (lengths[i] as number) * length) });
  return found.sort((a, b) => b.score - a.score || a.index - b.index).slice(0, Math.max(0, k));
}

/** Row i, as a view. */
export const row = ({ data, cols }: Vectors, i: number): Float32Array => data.subarray(i * cols, (i + 1) * cols);

function norms(v: Vectors): Float64Array {
  const lengths = new Float64Array(v.rows);
  for (let i = 0; i < v.rows; i++) {
    const a = row(v, i);
    lengths[i] = Math.sqrt(dot(a, a));
  }
  return lengths;
}

/** Rounding must not take a cosine out of its range. */
const ratio = (product: number, lengths: number) => (lengths === 0 ? 0 : Math.min(1, Math.max(-1, product / lengths)));

/** The dot product, in double precision. Four sums that do not wait for each other are about twice as fast as one. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = a.length;
  let s = 0;
  let t = 0;
  let u = 0;
  let w = 0;
  let i = 0;
  for (; i + 3 < n; i += 4) {
    s += (a[i] as number) * (b[i] as number);
    t += (a[i + 1] as number) * (b[i + 1] as number);
    u += (a[i + 2] as number) * (b[i + 2] as number);
    w += (a[i + 3] as number) * (b[i + 3] as number);
  }
  for (; i < n; i++) s += (a[i] as number) * (b[i] as number);
  return s + t + u + w;
}
