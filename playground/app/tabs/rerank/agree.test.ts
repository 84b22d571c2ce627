import { expect, test } from "vitest";
import { agree } from "./agree";

const list = (...pairs: [index: number, score: number][]) => pairs.map(([index, relevance_score]) => ({ index, relevance_score }));

test("the same order agrees, whatever the scores, and the reverse disagrees", () => {
  const a = list([2, 9], [0, 1], [1, -3]);
  expect(agree(a, list([2, 0.3], [0, 0.2], [1, 0.1]))).toEqual({ common: 3, of: 3, spearman: 1, kendall: 1 });
  const reversed = agree(a, list([1, 0.3], [0, 0.2], [2, 0.1]));
  expect(reversed.spearman).toBeCloseTo(-1);
  expect(reversed.kendall).toBeCloseTo(-1);
});

test("only what both returned counts, paired by document", () => {
  // In common are 0, 1 and 3: a has 3 > 0 > 1, b has 3 > 1 > 0. One of three pairs is discordant.
  const found = agree(list([3, 5], [2, 4], [0, 3], [1, 2]), list([4, 9], [3, 8], [1, 7], [0, 6]));
  expect(found).toMatchObject({ common: 3, of: 4 });
  expect(found.spearman).toBeCloseTo(0.5);
  expect(found.kendall).toBeCloseTo(1 / 3);
});

test("ties have the mean of their ranks", () => {
  // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: r = 4.5 / sqrt(4.5 * 5); tau-b = 5 / sqrt(5 * 6).
  const found = agree(list([0, 4], [1, 2], [2, 2], [3, 1]), list([0, 4], [1, 3], [2, 2], [3, 1]));
  expect(found.spearman).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5));
  expect(found.kendall).toBeCloseTo(5 / Math.sqrt(30));
});

test("there is no correlation of a constant, of one document or of none", () => {
  expect(agree(list([0, 1], [1, 1]), list([0, 2], [1, 1])).spearman).toBeNaN();
  expect(agree(list([0, 1], [1, 1]), list([0, 2], [1, 1])).kendall).toBeNaN();
  expect(agree(list([0, 1]), list([0, 2])).spearman).toBeNaN();
  expect(agree(list([0, 1]), list([1, 2]))).toMatchObject({ common: 0, of: 1, spearman: Number.NaN });
});
