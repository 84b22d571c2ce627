import { expect, test } from "vitest";
import { upper } from "../../math/pairs";
import { nearestOthers, percentiles, sameNearest } from "./ranks";

/** A symmetric matrix from what is above its diagonal, which is 1. */
function matrix(n: number, above: number[]): Float32Array {
  const out = new Float32Array(n * n).fill(1);
  const values = [...above];
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) out[i * n + j] = out[j * n + i] = values.shift() as number;
  }
  return out;
}

test("percentiles keep the order and drop the scale", () => {
  const narrow = percentiles(matrix(3, [0.9, 0.91, 0.92]), 3);
  expect([...narrow]).toEqual([1, 0, 0.5, 0, 1, 1, 0.5, 1, 1]);
  expect(percentiles(matrix(3, [-1, 0, 1]), 3)).toEqual(narrow);
});

test("equal pairs share a percentile", () => {
  expect([...upper(percentiles(matrix(4, [0, 0.5, 0.5, 0.5, 0.5, 1]), 4), 4)]).toEqual([0, 0.5, 0.5, 0.5, 0.5, 1]);
  expect([...upper(percentiles(matrix(2, [0.3]), 2), 2)]).toEqual([1]);
});

test("a text's nearest is another text, the first of equal ones", () => {
  expect(nearestOthers(matrix(3, [0.1, 0.7, 0.7]), 3)).toEqual([2, 2, 0]);
  expect(nearestOthers(matrix(3, [-1, -1, -1]), 3)).toEqual([1, 0, 0]);
  expect(nearestOthers(matrix(1, []), 1)).toEqual([-1]);
});

test("counts the texts with the same nearest text", () => {
  const a = matrix(4, [0.9, 0.1, 0.2, 0.3, 0.4, 0.8]);
  expect(nearestOthers(a, 4)).toEqual([1, 0, 3, 2]);
  const b = matrix(4, [0.9, 0.1, 0.2, 0.3, 0.95, 0.5]);
  expect(nearestOthers(b, 4)).toEqual([1, 3, 3, 1]);
  expect(sameNearest(a, b, 4)).toBe(0.5);
  expect(sameNearest(a, a, 4)).toBe(1);
});
