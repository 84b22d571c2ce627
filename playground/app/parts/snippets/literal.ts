// Values as source text.

/** What a reader cannot see, or what reorders what is read, is written as an escape; so is a Go raw string's end. */
const hidden = /[`\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

const escaped = (text: string) => text.replace(hidden, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** A value as JSON that is JavaScript as well, and may stand in a Go raw string and in a here-document. */
export const json = (value: unknown): string => escaped(JSON.stringify(value, null, 2));

/** A value as Python. Its strings have JSON's escapes. */
export function python(value: unknown, indent = ""): string {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value !== "object") return escaped(JSON.stringify(value));
  const deeper = `${indent}    `;
  const many = Array.isArray(value)
    ? value.map((item) => python(item, deeper))
    : Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([name, item]) => `${escaped(JSON.stringify(name))}: ${python(item, deeper)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return many.length ? `${open}\n${many.map((line) => `${deeper}${line},\n`).join("")}${indent}${close}` : `${open}${close}`;
}
