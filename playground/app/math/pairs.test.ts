import { expect, test } from "vitest";
import { pairAt, pairsOf, upper } from "./pairs";

test.each([1, 2, 3, 7, 200])("%i texts have each pair once, row after row", (n) => {
  // A value says which pair it is of; those below the diagonal and on it are of none.
  const matrix = Float32Array.from({ length: n * n }, (_, at) => (at % n > Math.floor(at / n) ? at : -1));
  const values = upper(matrix, n);
  expect(values).toHaveLength(pairsOf(n));
  values.forEach((value, at) => {
    expect(pairAt(at, n)).toEqual({ i: Math.floor(value / n), j: value % n });
  });
  expect(new Set(values).size).toBe(values.length);
});

test("the number of pairs", () => expect([1, 2, 3, 200].map(pairsOf)).toEqual([0, 1, 3, 19900]));
