import { expect, test } from "vitest";
import { bySimilarityTo, firstRows, matching, row } from "./order";

const three = { data: Float32Array.of(1, 2, 3, 4, 5, 6), rows: 3, cols: 2 };

test("takes the first rows alone along, not the memory of all", () => {
  const first = firstRows(three, 2);
  expect(first).toEqual({ data: Float32Array.of(1, 2, 3, 4), rows: 2, cols: 2 });
  expect(first.data.buffer.byteLength).toBe(16);
  expect(firstRows(three, 9)).toEqual(three);
});

test("takes one row", () => {
  expect(row(three, 1)).toEqual(Float32Array.of(3, 4));
  expect(row(three, 1).buffer.byteLength).toBe(8);
});

test("orders by the similarity to a text: itself first, the most similar next, ties by index", () => {
  const similarity = Float32Array.of(1, 0.2, 0.9, 0.2, 0.2, 1, 0.1, 1, 0.9, 0.1, 1, 0.3, 0.2, 1, 0.3, 1);
  expect(bySimilarityTo(similarity, 4, 0)).toEqual([0, 2, 1, 3]);
  expect(bySimilarityTo(similarity, 4, 1)).toEqual([1, 3, 0, 2]);
  // Text 3 has an equal before it, and still comes first.
  expect(bySimilarityTo(similarity, 4, 3)).toEqual([3, 1, 2, 0]);
});

test("finds texts whatever the case of their letters", () => {
  const texts = ["Мой Заказ", "order", "the ORDER"];
  expect(matching(texts, " Order ")).toEqual([1, 2]);
  expect(matching(texts, "заказ")).toEqual([0]);
  expect(matching(texts, "")).toEqual([0, 1, 2]);
  expect(matching(texts, "none")).toEqual([]);
});
