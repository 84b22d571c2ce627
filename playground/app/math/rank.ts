// Rank correlation. Both are NaN where one side is constant, where a value is NaN, and for fewer than two values.

/**
 * Ranks from 1, for the largest value; values that are equal share the mean of their ranks, as in
 * 1, 2.5, 2.5, 4.
 */
export function ranks(values: ArrayLike<number>): Float64Array {
  const n = values.length;
  const order = Uint32Array.from({ length: n }, (_, i) => i).sort((i, j) => (values[j] as number) - (values[i] as number) || i - j);
  const result = new Float64Array(n);
  for (let from = 0; from < n; ) {
    let to = from + 1;
    while (to < n && values[order[to] as number] === values[order[from] as number]) to++;
    // The mean of the ranks from+1 … to.
    for (let at = from; at < to; at++) result[order[at] as number] = (from + 1 + to) / 2;
    from = to;
  }
  return result;
}

/** Spearman's rho: Pearson's correlation of the ranks. RangeError where the lengths differ. */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return comparable(a, b) ? pearson(ranks(a), ranks(b)) : Number.NaN;
}

function pearson(a: Float64Array, b: Float64Array): number {
  const n = a.length;
  // The mean of ranks is known, with ties or without.
  const mean = (n + 1) / 2;
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < n; i++) {
    const x = (a[i] as number) - mean;
    const y = (b[i] as number) - mean;
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return within(ab / Math.sqrt(aa * bb));
}

/**
 * Kendall's tau-b, in n log n steps: W. R. Knight, "A Computer Method for Calculating Kendall's Tau with
 * Ungrouped Data", Journal of the American Statistical Association 61 (1966). RangeError where the lengths differ.
 */
export function kendall(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (!comparable(a, b)) return Number.NaN;
  const x = (i: number) => a[i] as number;
  const y = (i: number) => b[i] as number;
  const n = a.length;
  const order = Uint32Array.from({ length: n }, (_, i) => i).sort((i, j) => x(i) - x(j) || y(i) - y(j));
  const tiedA = tiedPairs(order, (i, j) => x(i) === x(j));
  const tiedBoth = tiedPairs(order, (i, j) => x(i) === x(j) && y(i) === y(j));
  // Pairs tied in a are in b's order already, so each swap is a pair that the two put in contrary orders.
  const discordant = swaps(order, y);
  const tiedB = tiedPairs(order, (i, j) => y(i) === y(j));
  const pairs = (n * (n - 1)) / 2;
  const difference = pairs - tiedA - tiedB + tiedBoth - 2 * discordant;
  return within(difference / Math.sqrt(pairs - tiedA) / Math.sqrt(pairs - tiedB));
}

/** How many pairs are equal, where equal ones stand together. */
function tiedPairs(order: Uint32Array, equal: (i: number, j: number) => boolean): number {
  let pairs = 0;
  let run = 1;
  for (let at = 1; at < order.length; at++) {
    run = equal(order[at - 1] as number, order[at] as number) ? run + 1 : 1;
    pairs += run - 1;
  }
  return pairs;
}

/** Sorts by the values, smallest first, by merging; counts the pairs that stood the other way round. */
function swaps(order: Uint32Array, value: (i: number) => number): number {
  const n = order.length;
  const merged = new Uint32Array(n);
  let count = 0;
  for (let width = 1; width < n; width *= 2) {
    for (let from = 0; from < n; from += 2 * width) {
      const middle = Math.min(from + width, n);
      const end = Math.min(from + 2 * width, n);
      let left = from;
      let right = middle;
      for (let at = from; at < end; at++) {
        const takeLeft = right >= end || (left < middle && value(order[left] as number) <= value(order[right] as number));
        if (!takeLeft) count += middle - left;
        merged[at] = order[takeLeft ? left++ : right++] as number;
      }
    }
    order.set(merged);
  }
  return count;
}

function comparable(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) throw new RangeError(`${a.length} values cannot be compared with ${b.length}`);
  return a.length > 1 && varies(a) && varies(b);
}

/** Whether there are two values, and none of them is NaN. */
function varies(values: ArrayLike<number>): boolean {
  let different = false;
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) return false;
    if (values[i] !== values[0]) different = true;
  }
  return different;
}

/** Rounding must not take a correlation out of its range. */
const within = (r: number) => Math.min(1, Math.max(-1, r));
