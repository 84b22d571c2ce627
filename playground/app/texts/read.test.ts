import { beforeEach, describe, expect, it } from "vitest";
import { choose, type Language } from "../i18n/language";
import { lines, mostBytes, mostTexts, readTexts } from "./read";

beforeEach(() => choose("en"));

const file = (name: string, ...parts: BlobPart[]) => new File(parts, name);
const read = (name: string, ...parts: BlobPart[]) => readTexts(file(name, ...parts));

/** UTF-16 as programs on Windows save it. */
function utf16(text: string, mark: boolean, bigEndian = false): Uint8Array<ArrayBuffer> {
  const units = (mark ? `\uFEFF${text}` : text).split("").map((c) => c.charCodeAt(0));
  return Uint8Array.from(units.flatMap((u) => (bigEndian ? [u >> 8, u & 255] : [u & 255, u >> 8])));
}

describe("lines", () => {
  it.each([
    ["", []],
    [" \n\t\r\n\r", []],
    ["one", ["one"]],
    ["  a  \r\nb\rc\n\n\nd", ["a", "b", "c", "d"]],
    ["=1+1\n<b>x</b>\n\0", ["=1+1", "<b>x</b>", "\0"]],
  ])("of %j", (value, want) => expect(lines(value)).toEqual(want));
});

describe("a text file", () => {
  it.each(["a.txt", "a", "A.TXT", "a.md"])("has one text a line: %s", async (name) => {
    expect(await read(name, ' 하나 \r\nдва, "три"\r\r\n\n=four')).toEqual(["하나", 'два, "три"', "=four"]);
  });

  it("may have a byte order mark", async () => {
    expect(await read("a.txt", "\uFEFFone\ntwo")).toEqual(["one", "two"]);
  });

  it.each([false, true])("may be UTF-16 with a byte order mark, big endian: %s", async (bigEndian) => {
    expect(await read("a.txt", utf16("하나\r\nдва", true, bigEndian))).toEqual(["하나", "два"]);
  });

  it("is refused as UTF-16 without a mark", async () => {
    await expect(read("a.txt", utf16("one\ntwo", false))).rejects.toThrow(/^Line 1: a NUL .* UTF-16 .* UTF-8/);
    await expect(read("a.txt", "one\ntwo\nthr\0ee")).rejects.toThrow("Line 3: a NUL");
  });

  it("is refused in another encoding, with the line", async () => {
    const cp949 = Uint8Array.from([0x61, 10, 0x62, 13, 10, 0xc7, 0xcf, 0xb3, 0xaa, 10]);
    await expect(read("a.txt", cp949)).rejects.toThrow("Line 3: the file is not UTF-8.");
    await expect(read("a.txt", Uint8Array.from([0xef, 0xf0, 0xe8]))).rejects.toThrow("Line 1: the file is not UTF-8.");
    await expect(read("a.txt", utf16("a\ud800b", true))).rejects.toThrow("Line 1: the file is not UTF-8.");
  });

  it.each(["a.txt", "a.csv", "a.jsonl"])("is refused without texts: %s", async (name) => {
    await expect(read(name)).rejects.toThrow("The file holds no text.");
    await expect(read(name, "\uFEFF \n\n\t\r\n")).rejects.toThrow("The file holds no text.");
  });

  it("has as many texts as may be, and no more", async () => {
    const most = Array.from({ length: mostTexts }, (_, i) => `${i}\n\n`).join("");
    expect(await read("a.txt", most)).toHaveLength(mostTexts);
    await expect(read("a.txt", most, "\nmore")).rejects.toThrow("Line 100,002: here the number of texts exceeds 50,000");
  });

  it("is not read when it is too large", async () => {
    const large = file("a.txt", "one");
    Object.defineProperty(large, "size", { value: mostBytes + 1 });
    Object.defineProperty(large, "arrayBuffer", { value: () => expect.fail("is not read") });
    await expect(readTexts(large)).rejects.toThrow("The file is 64 MiB in size; at most 64 MiB can be read.");
  });

  it.each<[Language, RegExp]>([
    ["ko", /^3행: NUL 문자/],
    ["ru", /^Строка 3: символ NUL/],
  ])("is refused in the page's language: %s", async (language, want) => {
    choose(language);
    await expect(read("a.txt", "a\nb\n\0")).rejects.toThrow(want);
  });
});

describe("a CSV file", () => {
  it.each([
    ["with the column text", "id,text,n\n1,one,5\n2,two,6\n"],
    ["with the column Content, in quotes", '"id","Content "\r\n1,"one"\r\n2,"two"'],
    ["with text and document: text", "document,text\nx,one\ny,two"],
    ["with a header alone in its row", "input\none\ntwo\n"],
    ["without a header: the fullest column", "1,one,a\n2,two,b"],
    ["without a header, of one column", "one\ntwo"],
    ["by semicolons", "id;text\n1;one\n2;two"],
    ["by tabs", "id\ttext\n1\tone\n2\ttwo"],
    ["with blank rows and cells", "text,n\n\none,1\n,\n  ,\n ,3\ntwo,4\n\n"],
    ["with a byte order mark", "\uFEFFtext,n\none,1\ntwo,2"],
  ])("%s", async (_, content) => expect(await read("a.csv", content)).toEqual(["one", "two"]));

  it("keeps line breaks, quotes, delimiters and spaces within quotes", async () => {
    expect(await read("a.csv", 'text,n\n"a ""b"", c\r\nd",1\n" =1+1 ",2\n')).toEqual(['a "b", c\r\nd', " =1+1 "]);
  });

  it("is read as .tsv and with capitals, too", async () => {
    expect(await read("A.TSV", "n\ttext\n1\tone, two\n")).toEqual(["one, two"]);
    expect(await read("A.CSV", "n,text\n1,one\n")).toEqual(["one"]);
  });

  it("is read as Excel's Unicode text", async () => {
    expect(await read("a.csv", utf16("n\ttext\r\n1\t하나\r\n", true))).toEqual(["하나"]);
  });

  it("is refused where a row has other cells, with its line", async () => {
    await expect(read("a.csv", 'text\n"a\nb"\n\none, two\n')).rejects.toThrow("Line 5: cells: 2, while the first row has 1.");
    await expect(read("a.csv", "id,text\n1,one\n2\n3,three\n")).rejects.toThrow("Line 3: cells: 1, while the first row has 2.");
  });

  it("is refused where quotes do not match, with the line", async () => {
    await expect(read("a.csv", 'id,text\n1,one\n2,"two\n3,three\n')).rejects.toThrow("Line 3: the quotes");
    await expect(read("a.csv", 'id,text\n1,one\n2,"two" or 3\n')).rejects.toThrow("Line 3: the quotes");
  });

  it("has as many texts as may be, and no more; lines are counted over pauses", async () => {
    const rows = (n: number) => Array.from({ length: n }, (_, i) => `${i},"a\n${i}"\n`).join("");
    const texts = await read("a.csv", "id,text\n", rows(mostTexts));
    expect(texts).toHaveLength(mostTexts);
    expect(texts.at(-1)).toBe("a\n49999");
    await expect(read("a.csv", "id,text\n", rows(mostTexts + 1))).rejects.toThrow("Line 100,002: here the number of texts exceeds 50,000");
    await expect(read("a.csv", "1,abc\n", rows(mostTexts))).rejects.toThrow("Line 100,000: here the number of texts exceeds 50,000");
    await expect(read("a.csv", "id,text\n", rows(30_000), "x\n")).rejects.toThrow("Line 60,002: cells: 1");
  });
});

it.each(["a.txt", "a.csv", "a.jsonl"])("the page is not held up: %s", async (name) => {
  const content = Array.from({ length: 20_000 }, () => `"${"text ".repeat(20)}"\n`).join("");
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  expect(await read(name, content)).toHaveLength(20_000);
  clearInterval(timer);
  expect(turns).toBeGreaterThanOrEqual(5);
});

describe("a JSON Lines file", () => {
  it("has strings and objects", async () => {
    const content = [
      '"one"',
      "",
      '{"id":1,"text":"two","content":"no"}',
      '{"document":"three"}',
      '{"text":null,"content":"four"}',
      ' {"input":"fi\\nve"} ',
      '""',
    ];
    for (const name of ["a.jsonl", "a.NDJSON"]) {
      expect(await read(name, content.join("\r\n"))).toEqual(["one", "two", "three", "four", "fi\nve"]);
    }
  });

  it("may have characters that a text file may not", async () => {
    expect(await read("a.jsonl", '"a\\u0000b"\n"\\ud800"\n')).toEqual(["a\0b", "\ud800"]);
  });

  it("is refused where a line is not JSON, with the line", async () => {
    await expect(read("a.jsonl", '"one"\n\n{"text": "two"\n')).rejects.toThrow("Line 3: not valid JSON.");
  });

  it.each(["null", "1", "[]", '["one"]', "{}", '{"text":1}', '{"Text":"one"}', "true"])("is refused where a line is %s", async (line) => {
    await expect(read("a.jsonl", `"one"\n${line}`)).rejects.toThrow("Line 2: expected a string, or an object");
  });
});
