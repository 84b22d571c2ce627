import { expect, test } from "vitest";
import { documentsOf, readDocuments, written } from "./documents";

const passages = "Title\r\nfirst body\r\n \t\r\n\r\n  second\nmore\n\n\n";

test("one document a line, without blank ones", () => {
  expect(documentsOf("a\n\n b \r\nc\n", "line")).toEqual(["a", "b", "c"]);
});

test("passages end at blank lines, which may hold white space, and keep their own line breaks", () => {
  expect(documentsOf(passages, "blank")).toEqual(["Title\nfirst body", "second\nmore"]);
});

test("without a blank line all is one passage, and blank text is none", () => {
  expect(documentsOf("a\nb", "blank")).toEqual(["a\nb"]);
  expect(documentsOf(" \n\n \n", "blank")).toEqual([]);
});

test("what was written is read as the same documents", () => {
  for (const documents of [["a", "b"], ["a\nb", "c"], ["one"]]) {
    for (const chosen of ["line", "blank"] as const) {
      const { value, separation } = written(documents, chosen);
      expect(documentsOf(value, separation)).toEqual(documents);
    }
  }
});

test("documents of several lines need blank lines between them, and lose those within", () => {
  expect(written(["a\r\n\r\nb", "c"], "line")).toEqual({ value: "a\nb\n\nc", separation: "blank" });
});

const file = (name: string, text: string) => new File([text], name);

test("a text file is read as the field is", async () => {
  expect(documentsOf((await readDocuments(file("a.txt", passages), "blank")).value, "blank")).toEqual([
    "Title\nfirst body",
    "second\nmore",
  ]);
  const byLine = await readDocuments(file("a.txt", passages), "line");
  expect(documentsOf(byLine.value, byLine.separation)).toEqual(["Title", "first body", "second", "more"]);
});

test("a text file in UTF-16 is decoded", async () => {
  const littleEndian = Array.from("\uFEFF가\n나\n\n다", (c) => c.charCodeAt(0)).flatMap((unit) => [unit & 255, unit >> 8]);
  const read = await readDocuments(new File([Uint8Array.from(littleEndian)], "a.txt"), "blank");
  expect(documentsOf(read.value, read.separation)).toEqual(["가\n나", "다"]);
});

test("records with line breaks switch to blank lines", async () => {
  const read = await readDocuments(file("a.jsonl", '"one\\ntwo"\n{"text":"three"}\n'), "line");
  expect(read).toEqual({ value: "one\ntwo\n\nthree", separation: "blank" });
});

test("a file that cannot be read is an error", async () => {
  await expect(readDocuments(file("a.jsonl", '"one"\n{oops\n'), "line")).rejects.toThrow();
});
