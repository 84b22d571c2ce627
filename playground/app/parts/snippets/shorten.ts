// Long inputs are shortened, so that a call can be read; what stays is a call that runs.

/** So many items of a list, and so many characters of a text, are kept. */
export const most = { items: 16, characters: 400 };

export interface Shortened {
  body: unknown;
  /** The longest list that was cut: how many of its items there are, of how many. */
  items?: [kept: number, of: number];
  /** How many texts were cut. */
  texts: number;
}

/** Cuts the lists and the texts in a request's body. */
export function shorten(body: unknown): Shortened {
  const found: Shortened = { body: undefined, texts: 0 };
  found.body = cut(body, found);
  return found;
}

function cut(value: unknown, found: Shortened): unknown {
  if (typeof value === "string") return cutText(value, found);
  if (Array.isArray(value)) {
    if (value.length > most.items && value.length > (found.items?.[1] ?? 0)) found.items = [most.items, value.length];
    return value.slice(0, most.items).map((item) => cut(item, found));
  }
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, cut(item, found)]));
}

function cutText(text: string, found: Shortened): string {
  if (text.length <= most.characters) return text;
  found.texts++;
  const kept = text.slice(0, most.characters);
  // A character of two halves is not cut in two.
  return /[\ud800-\udbff]$/.test(kept) ? kept.slice(0, -1) : kept;
}
