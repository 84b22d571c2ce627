import Papa from "papaparse";
import { beforeEach, describe, expect, it } from "vitest";
import type { Vectors } from "../api/calls";
import { choose } from "../i18n/language";
import { readTexts } from "./read";
import { csvCell, shortest, tableCSV, toCSV, toJSON, toNPY } from "./write";

beforeEach(() => choose("en"));

const vectors = (rows: number, cols: number, data: number[]): Vectors => ({ data: Float32Array.from(data), rows, cols });
const two = vectors(2, 3, [0.1, -0.25, 1e-7, 0, 3, -123456.7]);

/** Random float32 of any size, the same each time. */
function* floats(count: number): Generator<number> {
  const bits = new Uint32Array(1);
  const value = new Float32Array(bits.buffer);
  let state = 1;
  for (let i = 0; i < count; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bits[0] = state ^ (state >>> 15);
    if (!Number.isFinite(value[0])) continue;
    yield value[0] as number;
    i++;
  }
}

describe("shortest", () => {
  it.each([
    [0, "0"],
    [1, "1"],
    [-0.1, "-0.1"],
    [0.3, "0.3"],
    [1 / 3, "0.33333334"],
    [16777216, "16777216"],
    [0.0001, "0.0001"],
    [0.99999994, "0.99999994"],
    [1e-45, "1.401298e-45"],
    [3.4028234663852886e38, "3.4028235e+38"],
  ])("%d is %s", (value, want) => expect(shortest(Math.fround(value))).toBe(want));

  it("reads back as the same float32, with at most nine digits", () => {
    for (const value of floats(20_000)) {
      for (const float of [value, Math.fround(value % 1)]) {
        const text = shortest(float);
        if (Math.fround(Number(text)) !== float) expect.fail(`${text} is not ${float}`);
        const digits = text
          .replace(/e.*$/, "")
          .replace(/[-.]/g, "")
          .replace(/^0+|0+$/g, "");
        if (digits.length > 9) expect.fail(`${text} has more digits than it takes`);
      }
    }
  });
});

describe("toCSV", () => {
  it("is a table with a header, as spreadsheets read it", () => {
    expect(toCSV(["one", "два, 둘"], two)).toBe('\uFEFFtext,0,1,2\r\n"one",0.1,-0.25,1e-7\r\n"два, 둘",0,3,-123456.7\r\n');
  });

  it.each(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\rx", "\nx", "  =1", "＝1+1", "＋1", "－1", "＠x", '=HYPERLINK("http://x")'])(
    "makes %j harmless",
    (text) => expect(csvCell(text)).toBe(`"'${text.replaceAll('"', '""')}"`),
  );

  it.each(["", "a=1", "a\n=1", "'", "<script>alert(1)</script>", "a;=1", "\0", " a"])("leaves %j", (text) => {
    expect(csvCell(text)).toBe(`"${text}"`);
  });

  it("is read again as it was, by papaparse and by this page", async () => {
    const texts = ['a "b", c', "d\r\ne\nf\rg", "\0 <b>", "한국어; русский\t.", "'"];
    const csv = toCSV(texts, vectors(5, 1, [1, 2, 3, 4, 5]));
    const rows = Papa.parse<string[]>(csv.slice(1), { skipEmptyLines: true }).data;
    expect(rows).toEqual([["text", "0"], ...texts.map((text, i) => [text, String(i + 1)])]);
    const legible = texts.map((text) => text.replace("\0", ""));
    expect(await readTexts(new File([toCSV(legible, vectors(5, 1, [1, 2, 3, 4, 5]))], "a.csv"))).toEqual(legible);
  });

  it("is refused where it would be too long, or does not fit together", () => {
    expect(() => toCSV(["a"], { data: new Float32Array(0), rows: 1, cols: 30_000_000 })).toThrow(/343 MiB in size; at most 256 MiB/);
    expect(() => toCSV(["a"], two)).toThrow("1 texts have 2 vectors");
  });
});

it("tableCSV leaves numbers, and an empty cell for what is undefined", () => {
  expect(
    tableCSV(
      ["a", "=b"],
      [
        ["x", -1.5],
        ["-y", undefined],
      ],
    ),
  ).toBe('\uFEFF"a","\'=b"\r\n"x",-1.5\r\n"\'-y",\r\n');
});

describe("toJSON", () => {
  it("holds texts as they were, and the vectors", () => {
    const texts = ['=1 "\0\ud800', "б\n</script>"];
    expect(JSON.parse(toJSON(texts, two, "org/m"))).toEqual({
      model: "org/m",
      dimensions: 3,
      data: [
        { index: 0, text: texts[0], embedding: [0.1, -0.25, 1e-7] },
        { index: 1, text: texts[1], embedding: [0, 3, -123456.7] },
      ],
    });
  });

  it("has no rows", () => expect(JSON.parse(toJSON([], vectors(0, 0, []), "m"))).toEqual({ model: "m", dimensions: 0, data: [] }));
  it("is bounded", () => expect(() => toJSON(["a"], { data: new Float32Array(0), rows: 1, cols: 30_000_000 }, "m")).toThrow("MiB"));
});

describe("toNPY", () => {
  // What `numpy.save` of NumPy 2.4.6 writes for np.float32([[1, -0.5, 0.1], [0, 2, 3e38]]).
  const saved =
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAIA/AAAAv83MzD0AAAAAAAAAQOaxYX8=";

  it("is what NumPy writes", () => {
    const bytes = toNPY(vectors(2, 3, [1, -0.5, 0.1, 0, 2, 3e38]));
    expect(btoa(String.fromCharCode(...bytes))).toBe(saved);
  });

  it.each([
    [0, 0],
    [1, 1],
    [50_000, 4],
    [7, 1024],
  ])("is whole for %i×%i", (rows, cols) => {
    const bytes = toNPY({ data: new Float32Array(rows * cols), rows, cols });
    const length = (bytes[8] as number) + 256 * (bytes[9] as number);
    expect((10 + length) % 64).toBe(0);
    expect(bytes.length).toBe(10 + length + 4 * rows * cols);
    expect(new TextDecoder().decode(bytes.subarray(10, 10 + length))).toMatch(
      new RegExp(`^\\{'descr': '<f4', .*'shape': \\(${rows}, ${cols}\\), \\} *\\n$`),
    );
  });

  it("takes its part of a larger buffer", () => {
    const data = Float32Array.from([9, 9, 1, 2, 9]).subarray(2, 4);
    expect(Array.from(new Float32Array(toNPY({ data, rows: 1, cols: 2 }).buffer, 128))).toEqual([1, 2]);
  });
});
