import { describe, expect, it } from "vitest";
import type { Vectors } from "../api/calls";
import { agreement } from "./agreement";
import { cluster, mostLeaves } from "./cluster";
import { cosine, mostRows, nearest, row } from "./cosine";
import { project } from "./project";
import { kendall, ranks, spearman } from "./rank";
import reference from "./testdata/reference.json";

const vectors = (rows: number, cols: number, data: ArrayLike<number>): Vectors => ({ data: Float32Array.from(data), rows, cols });

/** Numbers from 0 to 1, the same each time. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function randomVectors(rows: number, cols: number, seed: number): Vectors {
  const random = generator(seed);
  return vectors(
    rows,
    cols,
    Float32Array.from({ length: rows * cols }, () => random() - 0.4),
  );
}

function expectClose(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number) {
  expect(got.length).toBe(want.length);
  let apart = 0;
  for (let i = 0; i < want.length; i++) apart = Math.max(apart, Math.abs((got[i] as number) - (want[i] as number)));
  expect(apart).toBeLessThanOrEqual(tolerance);
}

describe.each(reference.matrices)("against NumPy and SciPy, $rows×$cols", (m) => {
  const v = vectors(m.rows, m.cols, m.data);

  it("cosine", () => expectClose(cosine(v), m.cosine, 1e-7));

  it("nearest", () => {
    for (let i = 0; i < m.rows; i++) {
      const similar = m.cosine.slice(i * m.rows, (i + 1) * m.rows);
      const want = similar.map((_, j) => j).sort((a, b) => (similar[b] as number) - (similar[a] as number));
      const got = nearest(v, row(v, i), 4);
      expect(got.map((n) => n.index)).toEqual(want.slice(0, 4));
      expectClose(
        got.map((n) => n.score),
        want.slice(0, 4).map((j) => similar[j] as number),
        1e-7,
      );
    }
  });

  it("project", () => {
    const { points, explained } = project(v);
    expectClose(points, m.points, 1e-5);
    expectClose(explained, m.explained, 1e-9);
  });

  it("cluster: the leaves of every node of SciPy's dendrogram stand together", () => {
    const order = cluster(cosine(v), m.rows);
    expect(order.toSorted((a, b) => a - b)).toEqual(order.map((_, i) => i));
    for (const node of m.clusters) {
      const places = node.map((leaf) => order.indexOf(leaf));
      expect(Math.max(...places) - Math.min(...places)).toBe(node.length - 1);
    }
  });
});

describe.each(reference.correlations)("rank correlation of $a.length values against SciPy", (c) => {
  it("ranks", () => expect(Array.from(ranks(c.a))).toEqual(c.ranks));
  it("spearman", () => expect(spearman(c.a, c.b)).toBeCloseTo(c.spearman, 12));
  it("kendall", () => expect(kendall(c.a, c.b)).toBeCloseTo(c.kendall, 12));
});

describe("rank correlation", () => {
  it.each([
    ["no values", [], []],
    ["one value", [1], [2]],
    ["a constant side", [1, 1, 1], [1, 2, 3]],
    ["another constant side", [1, 2, 3], [0, -0, 0]],
    ["NaN", [1, Number.NaN, 3], [1, 2, 3]],
  ])("is NaN for %s", (_, a, b) => {
    expect(spearman(a, b)).toBeNaN();
    expect(kendall(a, b)).toBeNaN();
  });

  it("refuses lengths that differ", () => {
    expect(() => spearman([1, 2], [1, 2, 3])).toThrow(RangeError);
    expect(() => kendall([1, 2], [1, 2, 3])).toThrow(RangeError);
  });

  it("takes values that are infinite as the largest and smallest", () => {
    expect(spearman([1, Infinity, -Infinity, 2], [10, 40, 0, 20])).toBe(1);
    expect(kendall([1, Infinity, -Infinity, 2], [10, 40, 0, 20])).toBe(1);
  });

  it("kendall counts as the pairs do one by one", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = generator(seed);
      const n = 2 + Math.floor(random() * 40);
      const values = () => Array.from({ length: n }, () => Math.floor(random() * (2 + (seed % 20))));
      const a = values();
      const b = values();
      const want = pairwise(a, b);
      if (Number.isNaN(want)) expect(kendall(a, b)).toBeNaN();
      else expect(kendall(a, b)).toBeCloseTo(want, 12);
    }
  });

  it("depends on the order alone, and is symmetric", () => {
    const random = generator(3);
    const a = Array.from({ length: 80 }, () => Math.floor(random() * 30));
    const b = Array.from({ length: 80 }, () => Math.floor(random() * 30));
    for (const correlation of [spearman, kendall]) {
      const r = correlation(a, b);
      expect(correlation(b, a)).toBeCloseTo(r, 12);
      expect(correlation(a.map(Math.exp), b)).toBeCloseTo(r, 12);
      expect(
        correlation(
          a.map((x) => -x),
          b,
        ),
      ).toBeCloseTo(-r, 12);
      expect(correlation(a, a)).toBe(1);
    }
  });
});

/** Tau-b by its definition. */
function pairwise(a: number[], b: number[]): number {
  let agree = 0;
  let untiedA = 0;
  let untiedB = 0;
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < i; j++) {
      const x = Math.sign((a[i] as number) - (a[j] as number));
      const y = Math.sign((b[i] as number) - (b[j] as number));
      agree += x * y;
      untiedA += x * x;
      untiedB += y * y;
    }
  }
  return agree / Math.sqrt(untiedA * untiedB);
}

describe("agreement", () => {
  // The pairs in order: 01, 02, 03, 12, 13, 23.
  const matrix = (s: number[]) => {
    const [a, b, c, d, e, f] = s as [number, number, number, number, number, number];
    return Float32Array.from([1, a, b, c, a, 1, d, e, b, d, 1, f, c, e, f, 1]);
  };

  it("names the pairs whose ranks differ most, with values and ranks", () => {
    const a = matrix([0.875, 0.75, 0.5, 0.25, 0.125, 0]);
    const b = matrix([0, 0.75, 0.5, 0.25, 0.125, 0.0625]);
    const found = agreement(a, b, 4, 2);
    expect(found.disagreements).toEqual([
      { i: 0, j: 1, a: 0.875, b: 0, rankA: 1, rankB: 6 },
      { i: 0, j: 2, a: 0.75, b: 0.75, rankA: 2, rankB: 1 },
    ]);
    const above = [0.875, 0.75, 0.5, 0.25, 0.125, 0];
    const beside = [0, 0.75, 0.5, 0.25, 0.125, 0.0625];
    expect(found.spearman).toBe(spearman(above, beside));
    expect(found.kendall).toBe(kendall(above, beside));
  });

  it("says of each pair which texts it is", () => {
    const n = 9;
    const a = cosine(randomVectors(n, 5, 1));
    const b = cosine(randomVectors(n, 5, 2));
    const all = agreement(a, b, n, 1000).disagreements;
    expect(all).toHaveLength((n * (n - 1)) / 2);
    expect(new Set(all.map(({ i, j }) => `${i} ${j}`)).size).toBe(all.length);
    for (const d of all) {
      expect(d.i).toBeLessThan(d.j);
      expect([d.a, d.b]).toEqual([a[d.i * n + d.j], b[d.i * n + d.j]]);
    }
    const apart = all.map((d) => Math.abs(d.rankA - d.rankB));
    expect(apart).toEqual(apart.toSorted((p, q) => q - p));
  });

  it("is complete for a matrix with itself", () => {
    const a = cosine(randomVectors(20, 5, 1));
    expect(agreement(a, a, 20, 0)).toEqual({ spearman: 1, kendall: 1, disagreements: [] });
  });

  it.each([0, 1, 2])("has no correlation of %i texts", (n) => {
    const a = cosine(randomVectors(n, 5, 1));
    expect(agreement(a, a, n, 5).spearman).toBeNaN();
    expect(agreement(a, a, n, 5).disagreements).toHaveLength(n === 2 ? 1 : 0);
  });

  it("refuses matrices of another size", () => {
    expect(() => agreement(new Float32Array(4), new Float32Array(9), 3, 1)).toThrow(RangeError);
    expect(() => agreement(new Float32Array(0), new Float32Array(0), 1001, 1)).toThrow(RangeError);
  });
});

describe("cosine", () => {
  it("is 0 for a row without length", () => {
    expect(Array.from(cosine(vectors(3, 2, [0, 0, 3, 4, 0, 0])))).toEqual([0, 0, 0, 0, 1, 0, 0, 0, 0]);
    expect(nearest(vectors(2, 2, [0, 0, 3, 4]), Float32Array.from([0, 0]), 2)).toEqual([
      { index: 0, score: 0 },
      { index: 1, score: 0 },
    ]);
  });

  it("stays within −1 and 1, is symmetric, and has 1 on the diagonal", () => {
    const v = randomVectors(40, 33, 5);
    v.data.set(row(v, 0), 33);
    v.data.set(
      row(v, 0).map((x) => -x * 1e-3),
      66,
    );
    const s = cosine(v);
    expect(s.every((x) => x >= -1 && x <= 1)).toBe(true);
    for (let i = 0; i < 40; i++) {
      expect(s[i * 41]).toBe(1);
      for (let j = 0; j < i; j++) expect(s[i * 40 + j]).toBe(s[j * 40 + i]);
    }
    expect(s[1]).toBe(1);
    expect(s[2]).toBe(-1);
  });

  it("is empty for no rows, and bounded", () => {
    expect(cosine(vectors(0, 0, []))).toHaveLength(0);
    expect(() => cosine({ data: new Float32Array(0), rows: mostRows + 1, cols: 0 })).toThrow(RangeError);
  });
});

describe("nearest", () => {
  const v = vectors(4, 2, [1, 0, 0, 1, 2, 0, 1, 1]);

  it("orders ties by index", () => {
    expect(nearest(v, Float32Array.from([5, 0]), 3).map((n) => n.index)).toEqual([0, 2, 3]);
  });

  it("has at most as many as there are, and none for 0 or less", () => {
    expect(nearest(v, Float32Array.from([5, 0]), 10)).toHaveLength(4);
    expect(nearest(v, Float32Array.from([5, 0]), 0)).toEqual([]);
    expect(nearest(v, Float32Array.from([5, 0]), -1)).toEqual([]);
    expect(nearest(vectors(0, 0, []), Float32Array.from([5, 0]), 3)).toEqual([]);
  });

  it("refuses a query of other dimensions", () => {
    expect(() => nearest(v, Float32Array.from([1, 2, 3]), 1)).toThrow("3 dimensions");
  });
});

describe("cluster", () => {
  it("puts groups together, the first text's first", () => {
    const group = [0, 1, 0, 1, 0, 1];
    const similarity = Float32Array.from({ length: 36 }, (_, at) => (group[Math.floor(at / 6)] === group[at % 6] ? 0.9 : 0.1));
    expect(cluster(similarity, 6)).toEqual([0, 2, 4, 1, 3, 5]);
  });

  it("leaves equal texts in their order", () => {
    expect(cluster(new Float32Array(25).fill(1), 5)).toEqual([0, 1, 2, 3, 4]);
  });

  it.each([
    [0, []],
    [1, [0]],
    [2, [0, 1]],
  ])("has an order for %i", (n, order) => expect(cluster(new Float32Array(n * n).fill(0.5), n)).toEqual(order));

  it("refuses what it cannot order", () => {
    expect(() => cluster(new Float32Array(4), 3)).toThrow("3×3");
    expect(() => cluster(Float32Array.from([1, Number.NaN, Number.NaN, 1]), 2)).toThrow("finite");
    expect(() => cluster(new Float32Array(0), mostLeaves + 1)).toThrow(RangeError);
  });
});

describe("project", () => {
  it("puts all at one place where nothing varies", () => {
    for (const v of [vectors(0, 0, []), vectors(1, 3, [1, 2, 3]), vectors(3, 2, [0.1, 0.7, 0.1, 0.7, 0.1, 0.7])]) {
      const { points, explained } = project(v);
      expect(points).toEqual(new Float32Array(v.rows * 2));
      expect(explained).toEqual([0, 0]);
    }
  });

  it("has one component where the rows lie on a line", () => {
    const { points, explained } = project(vectors(3, 2, [0, 0, 3, 4, 6, 8]));
    expectClose(points, [-5, 0, 0, 0, 5, 0], 1e-6);
    expectClose(explained, [1, 0], 1e-12);
  });

  it("finds both of two components that are equal", () => {
    const { points, explained } = project(vectors(4, 3, [1, 0, 5, -1, 0, 5, 0, 1, 5, 0, -1, 5]));
    expectClose(explained, [0.5, 0.5], 1e-9);
    for (let i = 0; i < 4; i++) expect(Math.hypot(points[i * 2] as number, points[i * 2 + 1] as number)).toBeCloseTo(1, 6);
  });

  it("does not mind where the origin is, nor the rows' order", () => {
    const v = randomVectors(60, 20, 9);
    const moved = { ...v, data: v.data.map((x) => x + 8) };
    expectClose(project(moved).points, project(v).points, 1e-4);
    const turned = {
      ...v,
      data: Float32Array.from({ length: 1200 }, (_, at) => v.data[(59 - Math.floor(at / 20)) * 20 + (at % 20)] as number),
    };
    const points = project(v).points;
    expectClose(
      project(turned).points,
      points.map((_, at) => points[(59 - (at >> 1)) * 2 + (at & 1)] as number),
      1e-5,
    );
  });

  it("says the same as from the rows far from the origin", () => {
    const v = randomVectors(200, 50, 4);
    // Multiples of 1/256 remain what they are when 1,024 is added.
    const coarse = v.data.map((x) => Math.round(x * 256) / 256);
    const near = project({ ...v, data: coarse });
    const far = project({ ...v, data: coarse.map((x) => x + 1024) });
    expectClose(far.points, near.points, 1e-6);
    expectClose(far.explained, near.explained, 1e-9);
  });

  it("works on one column", () => {
    const { points, explained } = project(vectors(3, 1, [1, 2, 6]));
    expectClose(points, [-2, 0, -1, 0, 3, 0], 1e-6);
    expectClose(explained, [1, 0], 1e-12);
  });
});
