// Texts from what was written and from files.

/** The texts of a field: one a line, without blank ones. */
export const lines = (value: string): string[] =>
  value
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter(Boolean);

/** The texts of a file, by its name's end: txt (one a line), csv, jsonl. */
export async function readTexts(file: File): Promise<string[]> {
  return lines(await file.text());
}
