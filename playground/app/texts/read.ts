// Texts from what was written and from files.
import Papa from "papaparse";
import { number } from "../i18n/language";
import { words } from "./words";

/** The most texts and bytes that are read from a file. */
export const mostTexts = 50_000;
export const mostBytes = 64 << 20;

/** The names of the columns and fields that hold the texts, the first that there is. */
export const fields = ["text", "document", "content", "input"];

/** After so many characters the page may draw and answer. */
const charactersPerPause = 1 << 18;

/** The texts of a field: one a line, without blank ones. */
export const lines = (value: string): string[] =>
  value
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter(Boolean);

/**
 * The texts of a file, without blank ones, by its name's end:
 * - .csv, .tsv: the column that is called text, document, content or input. Without such a header, every row
 *   counts, and the column is the one that holds the most characters. Delimited by comma, semicolon or tab.
 * - .jsonl, .ndjson: strings, or objects with a string in a field of one of these names.
 * - else one text a line.
 *
 * Files are UTF-8, or UTF-16 with a byte order mark. An Error names the line, from 1, and the limit.
 */
export async function readTexts(file: File): Promise<string[]> {
  if (file.size > mostBytes) throw new Error(words.value.tooLarge(mebibytes(file.size), mebibytes(mostBytes)));
  const content = decode(new Uint8Array(await file.arrayBuffer()));
  const texts = await readerOf(file.name)(content);
  if (texts.length === 0) throw new Error(words.value.none);
  return texts;
}

function readerOf(name: string): (content: string) => Promise<string[]> {
  if (/\.(csv|tsv)$/i.test(name)) return fromCSV;
  if (/\.(jsonl|ndjson)$/i.test(name)) return fromJSONLines;
  return fromLines;
}

const mebibytes = (bytes: number) => number(bytes / (1 << 20), 1);

function decode(bytes: Uint8Array): string {
  const mark = `${bytes[0]} ${bytes[1]}`;
  const encoding = mark === "255 254" ? "utf-16le" : mark === "254 255" ? "utf-16be" : "utf-8";
  let content: string;
  try {
    content = new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new Error(words.value.encoding(number(encoding === "utf-8" ? firstUndecodable(bytes) : 1)));
  }
  const nul = content.indexOf("\0");
  if (nul >= 0) throw new Error(words.value.utf16(number(1 + breaks(content, 0, nul))));
  return content;
}

/** The first line that is not UTF-8. Its end is no part of a character, so that lines can be tried one by one. */
function firstUndecodable(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (let line = 1, from = 0; ; line++) {
    const end = bytes.indexOf(10, from);
    try {
      decoder.decode(bytes.subarray(from, end < 0 ? undefined : end));
    } catch {
      return line;
    }
    if (end < 0) return line;
    from = end + 1;
  }
}

/** How many lines end between two places. */
function breaks(content: string, from: number, to: number): number {
  let count = 0;
  for (const end = /\r\n|\r|\n/g, region = content.slice(from, to); end.exec(region); ) count++;
  return count;
}

/** Collects texts up to the limit. */
class Texts {
  readonly all: string[] = [];

  add(text: string, line: number): void {
    if (text.trim() === "") return;
    if (this.all.length === mostTexts) throw new Error(words.value.tooMany(number(line), number(mostTexts)));
    this.all.push(text);
  }
}

async function fromLines(content: string): Promise<string[]> {
  const texts = new Texts();
  await eachLine(content, (text, line) => texts.add(text.trim(), line));
  return texts.all;
}

async function fromJSONLines(content: string): Promise<string[]> {
  const texts = new Texts();
  await eachLine(content, (text, line) => {
    if (text.trim() !== "") texts.add(textOf(text, line), line);
  });
  return texts.all;
}

function textOf(json: string, line: number): string {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new Error(words.value.json(number(line)));
  }
  if (typeof value === "string") return value;
  const object = (value ?? {}) as Record<string, unknown>;
  const found = fields.map((field) => object[field]).find((text) => typeof text === "string");
  if (found === undefined) throw new Error(words.value.field(number(line)));
  return found as string;
}

async function eachLine(content: string, take: (text: string, line: number) => void): Promise<void> {
  const end = /\r\n|\r|\n/g;
  let from = 0;
  let paused = 0;
  for (let line = 1; from < content.length; line++) {
    const found = end.exec(content);
    take(content.slice(from, found?.index), line);
    from = found ? end.lastIndex : content.length;
    if (from - paused >= charactersPerPause) {
      await breath();
      paused = from;
    }
  }
}

const breath = () => new Promise((resolve) => setTimeout(resolve));

/** A row of cells, and the line on which it starts. */
interface Row {
  cells: string[];
  line: number;
}

async function fromCSV(content: string): Promise<string[]> {
  const rows = await rowsOf(content);
  const names = rows[0]?.cells.map((cell) => cell.trim().toLowerCase()) ?? [];
  const field = fields.find((name) => names.includes(name));
  const column = field === undefined ? fullest(rows) : names.indexOf(field);
  const texts = new Texts();
  for (const { cells, line } of field === undefined ? rows : rows.slice(1)) texts.add(cells[column] ?? "", line);
  return texts.all;
}

/** The one that cuts the first rows into equally many cells; blank lines say nothing of it. */
const delimiterOf = (content: string): string =>
  Papa.parse(content, { preview: 10, skipEmptyLines: "greedy", delimitersToGuess: [",", ";", "\t"] }).meta.delimiter;

/** The column that holds the most characters, the first of several. */
function fullest(rows: Row[]): number {
  const characters = (rows[0]?.cells ?? []).map(() => 0);
  for (const { cells } of rows) {
    cells.forEach((cell, i) => {
      characters[i] = (characters[i] ?? 0) + cell.length;
    });
  }
  return characters.indexOf(Math.max(...characters));
}

/** The rows that are not blank; all have as many cells as the first. */
function rowsOf(content: string): Promise<Row[]> {
  const rows: Row[] = [];
  let line = 1;
  let cursor = 0;
  // After a pause papaparse counts characters from there.
  let resumed = 0;
  return new Promise((resolve, reject) => {
    Papa.parse<string[]>(content, {
      delimiter: delimiterOf(content),
      step: ({ data: cells, errors, meta }, parser) => {
        try {
          if (errors.some((e) => e.type === "Quotes")) throw new Error(words.value.quotes(number(line)));
          if (cells.some((cell) => cell.trim() !== "")) rows.push(checked({ cells, line }, rows));
        } catch (reason) {
          reject(reason);
          parser.abort();
          return;
        }
        line += breaks(content, cursor, resumed + meta.cursor);
        cursor = resumed + meta.cursor;
        if (cursor - resumed >= charactersPerPause) {
          resumed = cursor;
          parser.pause();
          breath().then(() => parser.resume());
        }
      },
      complete: () => resolve(rows),
    });
  });
}

function checked(row: Row, before: Row[]): Row {
  const expected = before[0]?.cells.length ?? row.cells.length;
  if (row.cells.length !== expected) throw new Error(words.value.cells(number(row.line), number(row.cells.length), number(expected)));
  // One more for a header; what is above is named with its line when the texts are collected.
  if (before.length > mostTexts) throw new Error(words.value.tooMany(number(row.line), number(mostTexts)));
  return row;
}
