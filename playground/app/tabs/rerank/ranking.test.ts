import { expect, test } from "vitest";
import { digitsOf, rowsOf, scaleOf } from "./ranking";

const list = (...pairs: [index: number, score: number][]) => pairs.map(([index, relevance_score]) => ({ index, relevance_score }));

test("rows tell positions and changes from where documents were entered", () => {
  const rows = rowsOf(list([2, 3.5], [0, -0.25], [1, -4]), ["a", "b", "c"]);
  expect(rows.map((r) => [r.document, r.position, r.entered, r.change, r.score])).toEqual([
    ["c", 1, 3, 2, 3.5],
    ["a", 2, 1, -1, -0.25],
    ["b", 3, 2, -1, -4],
  ]);
  expect(rows.every((r) => r.other === undefined && !r.tied)).toBe(true);
});

test("ties are only between the very same scores", () => {
  const rows = rowsOf(list([0, 2], [1, 1], [3, 1], [2, 0.9999]), ["a", "b", "c", "d"]);
  expect(rows.map((r) => r.tied)).toEqual([false, true, true, false]);
  expect(rowsOf(list([0, 0]), ["a"])[0]?.tied).toBe(false);
});

test("the position in the other list is told, where it is in it", () => {
  const rows = rowsOf(list([1, 2], [0, 1]), ["a", "b", "c"], list([2, 9], [1, 8]));
  expect(rows.map((r) => r.other)).toEqual([2, undefined]);
});

test.each([
  ["sigmoid", [0.2, 0.1], 0, 1],
  ["cosine", [0.5, -0.1], -0.1, 1],
  ["cosine", [1.0000001, 0.3], 0, 1.0000001],
  ["logit", [-3, -11.5], -11.5, 0],
  ["logit", [4, 1], 0, 4],
  ["logit", [4, -1], -1, 4],
  ["logit", [0, 0], 0, 1],
  [undefined, [7, -7], -7, 7],
  ["sigmoid", [], 0, 1],
] as const)("the scale of %s %j", (kind, scores, min, max) => {
  expect(scaleOf(kind, [...scores])).toEqual({ min, max });
});

test.each([
  [0, 4],
  [-11.2, 4],
  [0.5, 4],
  [0.0123, 4],
  [0.00123, 5],
  [-0.0000456, 7],
  [1e-30, 10],
])("%d is shown with %d digits", (score, digits) => {
  expect(digitsOf(score)).toBe(digits);
});
