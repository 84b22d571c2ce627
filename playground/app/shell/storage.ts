// What browsers keep for a page. Where that is forbidden, nothing is kept, and the page works all the same.

type Area = "localStorage" | "sessionStorage";

export function recall(area: Area, name: string): string | null {
  try {
    return window[area].getItem(name);
  } catch {
    return null;
  }
}

/** Keeps a value; null or an empty one is forgotten. */
export function remember(area: Area, name: string, value: string | null): void {
  try {
    if (value) window[area].setItem(name, value);
    else window[area].removeItem(name);
  } catch {
    // Forbidden, or full.
  }
}
