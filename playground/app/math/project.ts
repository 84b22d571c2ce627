import { PCA } from "ml-pca";
import type { Vectors } from "../api/calls";
import { row } from "./cosine";

export interface Projection {
  /** The rows' places on the first two principal components, rows×2. */
  points: Float32Array<ArrayBuffer>;
  /** The two components' shares of the variance, from 0 to 1. */
  explained: [number, number];
}

/** Steps after which the components are taken as they are; what is left of their error is not seen in a chart. */
const mostSteps = 128;
const stepsPerCheck = 8;
/** The residual, relative to the first eigenvalue, at which a component is taken as found. */
const tolerance = 1e-7;

/**
 * Principal component analysis: the rows on the two directions in which they vary most. A component's sign
 * is chosen so that its entry of the greatest absolute value is positive, as in scikit-learn.
 *
 * The scatter matrix (the covariances, not divided by the rows) is reduced by Lanczos' method with full
 * reorthogonalisation (Golub, Van Loan: Matrix Computations, 4th edition, 10.1 to 10.3) to a small one with the
 * same extreme eigenvalues, which ml-pca decomposes. The rows are read once a step, and neither a centred copy
 * nor the scatter matrix is ever held. ml-pca's NIPALS on the rows themselves takes some twenty times as long
 * for 5,000 rows of 1,024, and knows no shares of the variance but among the components that it has found.
 */
export function project(v: Vectors): Projection {
  const points = new Float32Array(v.rows * 2);
  const mean = meanOf(v);
  const total = variation(v, mean);
  // Below this it is the rounding of float32 alone: the rows are the same.
  if (v.rows < 2 || total <= v.rows * dot(mean, mean) * 1e-13) return { points, explained: [0, 0] };
  const { values, directions } = components(v, mean, total);
  directions.forEach((direction, at) => {
    const offset = dot(mean, direction);
    for (let i = 0; i < v.rows; i++) points[i * 2 + at] = dot(row(v, i), direction) - offset;
  });
  const share = (at: number) => Math.min(1, Math.max(0, (values[at] ?? 0) / total));
  return { points, explained: [share(0), share(1)] };
}

function meanOf(v: Vectors): Float64Array {
  const mean = new Float64Array(v.cols);
  for (let i = 0; i < v.rows; i++) add(mean, row(v, i), 1 / v.rows);
  return mean;
}

/** The sum of the squared distances from the mean: the trace of the scatter matrix. */
function variation(v: Vectors, mean: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < v.rows; i++) {
    const a = row(v, i);
    for (let j = 0; j < v.cols; j++) sum += ((a[j] as number) - (mean[j] as number)) ** 2;
  }
  return sum;
}

/**
 * The scatter matrix XᵀX of the centred rows, times a direction; it is not built. The scores add up to 0, so
 * that the mean need not be taken from the rows a second time.
 */
function scatter(v: Vectors, mean: Float64Array, direction: Float64Array): Float64Array {
  const result = new Float64Array(v.cols);
  const offset = dot(mean, direction);
  for (let i = 0; i < v.rows; i++) {
    const a = row(v, i);
    add(result, a, dot(a, direction) - offset);
  }
  return result;
}

interface Components {
  /** The first eigenvalues of the scatter matrix, largest first. */
  values: number[];
  /** Their eigenvectors, of length 1. */
  directions: Float64Array[];
}

/** The scatter matrix in the basis: alpha on the diagonal, beta beside it. */
interface Tridiagonal {
  alpha: number[];
  beta: number[];
}

function components(v: Vectors, mean: Float64Array, total: number): Components {
  const basis: Float64Array[] = [];
  const small: Tridiagonal = { alpha: [], beta: [] };
  const random = generator(1);
  const steps = Math.min(mostSteps, v.cols);
  let next: Float64Array | null = fresh(basis, v.cols, random);
  while (next) {
    basis.push(next);
    const product = scatter(v, mean, next);
    small.alpha.push(dot(product, next));
    orthogonalise(product, basis);
    const beta = Math.sqrt(dot(product, product));
    if (basis.length >= steps || (basis.length % stepsPerCheck === 0 && converged(small, beta))) break;
    // Where nothing is left, the basis holds all that the start can reach; a direction of an equal
    // eigenvalue is only found from a new one.
    const exhausted = beta <= total * 1e-13;
    small.beta.push(exhausted ? 0 : beta);
    next = exhausted ? fresh(basis, v.cols, random) : scale(product, 1 / beta);
  }
  const { values, vectors } = decompose(small);
  const directions = vectors.slice(0, 2).map((weights) => upright(combine(basis, weights)));
  return { values: values.slice(0, 2), directions };
}

/** Whether the residuals of the first two eigenvectors are small: they are beta times the vectors' last entries. */
function converged(small: Tridiagonal, beta: number): boolean {
  const { values, vectors } = decompose(small);
  return vectors.slice(0, 2).every((weights) => Math.abs(beta * (weights.at(-1) ?? 0)) <= tolerance * (values[0] ?? 0));
}

/** Eigenvalues, largest first, and eigenvectors of the small matrix. */
function decompose({ alpha, beta }: Tridiagonal): { values: number[]; vectors: number[][] } {
  const matrix = alpha.map((a, i) => alpha.map((_, j) => (i === j ? a : Math.abs(i - j) === 1 ? (beta[Math.min(i, j)] ?? 0) : 0)));
  const pca = new PCA(matrix, { isCovarianceMatrix: true });
  return { values: pca.getEigenvalues(), vectors: pca.getLoadings().to2DArray() };
}

/** Takes from the vector what lies in the basis. Twice is enough against rounding. */
function orthogonalise(vector: Float64Array, basis: Float64Array[]): void {
  for (let times = 0; times < 2; times++) for (const b of basis) add(vector, b, -dot(vector, b));
}

/** A direction that is orthogonal to the basis; null: there is none. */
function fresh(basis: Float64Array[], cols: number, random: () => number): Float64Array | null {
  if (basis.length >= cols) return null;
  const vector = Float64Array.from({ length: cols }, () => random() - 0.5);
  scale(vector, 1 / Math.sqrt(dot(vector, vector)));
  orthogonalise(vector, basis);
  const length = Math.sqrt(dot(vector, vector));
  return length < 1e-8 ? null : scale(vector, 1 / length);
}

function combine(basis: Float64Array[], weights: number[]): Float64Array {
  const sum = new Float64Array(basis[0]?.length ?? 0);
  basis.forEach((b, i) => {
    add(sum, b, weights[i] ?? 0);
  });
  return sum;
}

function upright(direction: Float64Array): Float64Array {
  const greatest = direction.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
  return greatest < 0 ? scale(direction, -1) : direction;
}

/** The dot product. Four sums that do not wait for each other are faster than one. */
function dot(a: Float32Array | Float64Array, b: Float64Array): number {
  const n = b.length;
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

/** Adds a multiple of a vector. */
function add(to: Float64Array, vector: Float32Array | Float64Array, times: number): void {
  for (let j = 0; j < to.length; j++) to[j] = (to[j] as number) + (vector[j] as number) * times;
}

function scale(vector: Float64Array, by: number): Float64Array {
  for (let j = 0; j < vector.length; j++) vector[j] = (vector[j] as number) * by;
  return vector;
}

/** Numbers from 0 to 1 that are the same each time (mulberry32), so that a chart is, too. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
