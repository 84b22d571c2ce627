import { expect, test } from "vitest";
import { rowsOf } from "./ranking";

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
