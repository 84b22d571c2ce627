// Spans of time, sizes and shares as the language writes them.
import { language } from "../../i18n/language";

const unit = (n: number, name: string, digits = 0) =>
  new Intl.NumberFormat(language.value, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: digits }).format(n);

/** A span of time with its two largest units, such as 3 hr 12 min. */
export function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), "day"],
    [Math.floor(whole / 3600) % 24, "hour"],
    [Math.floor(whole / 60) % 60, "minute"],
    [whole % 60, "second"],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  const shown = first < 0 ? parts.slice(-1) : parts.slice(first, first + 2).filter(([n], i) => i === 0 || n > 0);
  return shown.map(([n, name]) => unit(n, name)).join(" ");
}

/** Seconds that may be less than one. */
export const seconds = (n: number) => unit(n, "second", n < 10 ? 1 : 0);

/** Bytes with the unit that leaves one to four digits. */
export function bytes(n: number): string {
  const names = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const power = n < 1000 ? 0 : Math.min(names.length - 1, Math.floor(Math.log10(n) / 3));
  return unit(n / 1000 ** power, names[power] as string, power ? 1 : 0);
}

export const percent = (share: number) =>
  new Intl.NumberFormat(language.value, { style: "percent", maximumFractionDigits: share < 1 ? 1 : 0 }).format(share);

export const clock = (at: Date) => new Intl.DateTimeFormat(language.value, { timeStyle: "medium" }).format(at);

/** A moment that may be days ago. */
export const moment = (at: Date) => new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "medium" }).format(at);
