// Texts with their vectors, as files.
import type { Vectors } from "../api/calls";
import { number } from "../i18n/language";
import { words } from "./words";

/** The longest CSV or JSON, in characters: a browser's strings do not bear much more. */
export const mostCharacters = 256 << 20;

/** Characters that a number takes at most with what delimits it, such as -1.1754944e-38 and a comma. */
const perNumber = 12;

/**
 * A table with a header: text, then the dimensions 0 … cols−1. Lines end as in RFC 4180. It starts with a byte
 * order mark, without which Excel does not take it for UTF-8. RangeError where it would be too long.
 */
export function toCSV(texts: string[], v: Vectors): string {
  bound(texts, v);
  const header = ["text", ...Array.from({ length: v.cols }, (_, j) => j)].join(",");
  const rows = texts.map((text, i) => `${csvCell(text)},${numbers(v, i)}`);
  return `\uFEFF${[header, ...rows].join("\r\n")}\r\n`;
}

/** `{model, dimensions, data: [{index, text, embedding: […]}]}`, one text a line. RangeError where it would be too long. */
export function toJSON(texts: string[], v: Vectors, model: string): string {
  bound(texts, v);
  const data = texts.map((text, i) => `{"index":${i},"text":${JSON.stringify(text)},"embedding":[${numbers(v, i)}]}`);
  return `{"model":${JSON.stringify(model)},"dimensions":${v.cols},"data":[\n${data.join(",\n")}\n]}\n`;
}

/**
 * A table of texts and numbers, such as a ranking, as CSV; undefined is an empty cell. Made as toCSV makes its.
 */
export function tableCSV(header: string[], rows: (string | number | undefined)[][]): string {
  const line = (cells: (string | number | undefined)[]) =>
    cells.map((cell) => (typeof cell === "string" ? csvCell(cell) : (cell ?? ""))).join(",");
  return `\uFEFF${[header, ...rows].map(line).join("\r\n")}\r\n`;
}

/**
 * A text as a cell: always in quotes, and with an apostrophe before what a spreadsheet would take for a
 * formula, as OWASP advises ("CSV Injection"); the characters of full width are taken for their narrow ones.
 */
export function csvCell(text: string): string {
  const harmless = /^\s*[=+\-@＝＋－＠]|^[\t\r\n]/.test(text) ? `'${text}` : text;
  return `"${harmless.replaceAll('"', '""')}"`;
}

/**
 * NumPy's format, version 1.0 (numpy.lib.format): float32, little endian, in C order, rows×cols;
 * `numpy.load` reads it.
 */
export function toNPY({ data, rows, cols }: Vectors): Uint8Array<ArrayBuffer> {
  const magic = "\x93NUMPY\x01\x00";
  const description = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${cols}), }`;
  // The numbers start at a multiple of 64 bytes; the header ends with a line break.
  const start = Math.ceil((magic.length + 2 + description.length + 1) / 64) * 64;
  const length = start - magic.length - 2;
  const header = `${magic}${String.fromCharCode(length & 255, length >> 8)}${description.padEnd(length - 1)}\n`;
  const bytes = new Uint8Array(start + rows * cols * 4);
  for (let i = 0; i < start; i++) bytes[i] = header.charCodeAt(i);
  // Every browser runs on machines that are little endian.
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, rows * cols * 4), start);
  return bytes;
}

function bound(texts: string[], { rows, cols }: Vectors): void {
  if (texts.length !== rows) throw new RangeError(`${texts.length} texts have ${rows} vectors`);
  const characters = texts.reduce((sum, text) => sum + text.length, rows * cols * perNumber);
  const mebibytes = (n: number) => number(n / (1 << 20));
  if (characters > mostCharacters) throw new RangeError(words.value.huge(mebibytes(characters), mebibytes(mostCharacters)));
}

/** Row i, with commas between its numbers. */
function numbers({ data, cols }: Vectors, i: number): string {
  const row: string[] = [];
  for (let at = i * cols; at < (i + 1) * cols; at++) row.push(shortest(data[at] as number));
  return row.join(",");
}

/** A short decimal that reads back as the same float32: of seven digits or, where it takes them, eight or nine. */
export function shortest(value: number): string {
  const size = Math.abs(value);
  // toPrecision and Number take several times as long, and most numbers of a vector are such.
  if (size >= 1e-4 && size < 1) {
    let power = size >= 0.1 ? 1e7 : size >= 0.01 ? 1e8 : size >= 0.001 ? 1e9 : 1e10;
    for (let digits = 7; digits <= 9; digits++, power *= 10) {
      // Exact: both sides of the division are, and it is rounded as a decimal is when it is read.
      const short = Math.round(value * power) / power;
      if (Math.fround(short) === value) return String(short);
    }
  }
  for (let digits = 7; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(9)));
}
