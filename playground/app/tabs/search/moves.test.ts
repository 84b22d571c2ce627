import { describe, expect, test } from "vitest";
import { change, gain, type Hit, type Move, moves } from "./moves";

const hits: Hit[] = [
  { index: 7, score: 0.9 },
  { index: 2, score: 0.8 },
  { index: 5, score: 0.7 },
  { index: 0, score: 0.6 },
];

const answer = (...order: number[]) => order.map((index, i) => ({ index, relevance_score: 1 - i / 10 }));

/** The moves of the hits in a reranker's order, which names them by their places in `hits`. */
const moved = (...order: number[]) => moves(hits, answer(...order)) as Move[];

describe("moves", () => {
  test("follow each document from one order to the other", () => {
    expect(moved(3, 0, 2, 1)).toEqual([
      { document: 0, similarity: 0.6, score: 1, before: 4, after: 1 },
      { document: 7, similarity: 0.9, score: 0.9, before: 1, after: 2 },
      { document: 5, similarity: 0.7, score: 0.8, before: 3, after: 3 },
      { document: 2, similarity: 0.8, score: 0.7, before: 2, after: 4 },
    ]);
    expect(moved(3, 0, 2, 1).map(gain)).toEqual([3, -1, 0, -2]);
  });

  test.each([
    ["too few", answer(0, 1, 2)],
    ["too many", answer(0, 1, 2, 3, 0)],
    ["one twice", answer(0, 1, 2, 2)],
    ["one that was not sent", answer(0, 1, 2, 4)],
    ["one before the first", answer(0, 1, 2, -1)],
  ])("are not made up where the answer has %s", (_, ranked) => {
    expect(moves(hits, ranked)).toBeNull();
  });
});

describe("change", () => {
  test("tells how many moved, how far, and which most", () => {
    const list = moved(3, 0, 2, 1);
    const c = change(list, 2);
    expect(c).toMatchObject({ moved: 3, mean: 1.5, top: 2, entered: 1 });
    expect(c.rise).toBe(list[0]);
    expect(c.fall).toBe(list[3]);
    // Of six pairs two keep their order; the squared moves sum up to 14.
    expect(c.kendall).toBeCloseTo(-1 / 3, 12);
    expect(c.spearman).toBeCloseTo(1 - (6 * 14) / (4 * 15), 12);
  });

  test("finds none where the order stays", () => {
    expect(change(moved(0, 1, 2, 3), 5)).toEqual({
      moved: 0,
      mean: 0,
      rise: null,
      fall: null,
      top: 4,
      entered: 0,
      spearman: 1,
      kendall: 1,
    });
  });

  test("takes the first of those that moved equally far", () => {
    const list = moved(1, 0, 3, 2);
    expect(change(list, 1)).toMatchObject({ rise: list[0], fall: list[1], entered: 1 });
  });

  test("has no correlation of a single document", () => {
    const one = moves(hits.slice(0, 1), answer(0)) as Move[];
    expect(change(one, 5).spearman).toBeNaN();
    expect(change(one, 5).kendall).toBeNaN();
  });
});
