import { expect, it } from "vitest";
import { most, shorten } from "./shorten";

it("leaves a short body as it is", () => {
  const body = { model: "m", query: "q", documents: ["a", { text: "b" }], top_n: 2, raw_scores: true, dimensions: null };
  expect(shorten(body)).toEqual({ body, texts: 0 });
});

it("keeps the first items, and tells of the longest list", () => {
  const many = (n: number) => Array.from({ length: n }, (_, i) => i);
  const { body, items } = shorten({ input: many(100), more: many(50) });
  expect(body).toEqual({ input: many(most.items), more: many(most.items) });
  expect(items).toEqual([most.items, 100]);
});

it("cuts long texts wherever they stand, and no character in two", () => {
  const { body, texts } = shorten({ query: "a".repeat(1000), documents: [`${"b".repeat(most.characters - 1)}🚚`] });
  expect(body).toEqual({ query: "a".repeat(most.characters), documents: ["b".repeat(most.characters - 1)] });
  expect(texts).toBe(2);
});
