// How the documents of a field and of a file are told apart.
import { lines, readTexts } from "../../texts/read";

/** Where a document ends: at the end of its line, or at a blank line, so that it may have several lines. */
export type Separation = "line" | "blank";

const normalized = (text: string) => text.replace(/\r\n?/g, "\n");

/** The documents of a field, in its order, without blank ones. */
export function documentsOf(value: string, separation: Separation): string[] {
  if (separation === "line") return lines(value);
  return normalized(value)
    .split(/\n(?:[^\S\n]*\n)+/)
    .map((passage) => passage.trim())
    .filter(Boolean);
}

export interface Written {
  value: string;
  separation: Separation;
}

/**
 * Writes documents as a field has them. Documents of several lines need blank lines between them,
 * whatever was chosen; blank lines within a document are left out, as they would divide it.
 */
export function written(documents: string[], chosen: Separation): Written {
  const whole = documents.map((d) => normalized(d).trim());
  const separation = whole.some((d) => d.includes("\n")) ? "blank" : chosen;
  if (separation === "line") return { value: whole.join("\n"), separation };
  return { value: whole.map((d) => d.replace(/\n(?:[^\S\n]*\n)+/g, "\n")).join("\n\n"), separation };
}

/** The documents of a file. A text file is read as the field is; csv and jsonl hold one document a record. */
export async function readDocuments(file: File, chosen: Separation): Promise<Written> {
  const documents = await readTexts(file);
  const records = /\.(csv|tsv|jsonl|ndjson)$/i.test(file.name);
  // readTexts has refused what is too large or cannot be decoded by now.
  return written(records || chosen === "line" ? documents : documentsOf(await decoded(file), chosen), chosen);
}

/** UTF-8, or UTF-16 with a byte order mark, as readTexts has it. */
async function decoded(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const mark = `${bytes[0]} ${bytes[1]}`;
  const encoding = mark === "255 254" ? "utf-16le" : mark === "254 255" ? "utf-16be" : "utf-8";
  return new TextDecoder(encoding).decode(bytes);
}
