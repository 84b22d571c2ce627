// The languages of the page. Each part brings its own words in all of them, which TypeScript holds
// against each other.
import { computed, signal } from "@preact/signals";
import { recall, remember } from "../shell/storage";

export const languages = { en: "English", ko: "한국어", ru: "Русский" } as const;
export type Language = keyof typeof languages;

const stored = "quadrate.language";

/** The one that was chosen before, else the browser's first that there is, else English. */
export function initial(chosen: string | null, preferred: readonly string[]): Language {
  for (const tag of [chosen ?? "", ...preferred]) {
    const language = tag.slice(0, 2).toLowerCase();
    if (Object.hasOwn(languages, language)) return language as Language;
  }
  return "en";
}

export const language = signal<Language>(initial(recall("localStorage", stored), navigator.languages));

export function choose(l: Language): void {
  remember("localStorage", stored, l);
  language.value = l;
}

/** One language's words have the others' keys and kinds. */
type Like<T> = { [K in keyof T]: T[K] extends (...args: infer A) => string ? (...args: A) => string : string };

/** Words of a part of the page: `const words = messages({...}, {...}, {...})`, then `words.value.title`. */
export function messages<T extends object>(en: T, ko: NoInfer<Like<T>>, ru: NoInfer<Like<T>>) {
  const all: Record<Language, Like<T>> = { en: en as Like<T>, ko, ru };
  return computed(() => all[language.value]);
}

/** As the language writes it, but with a minus, where it has a hyphen. */
const written = (n: number, digits: Intl.NumberFormatOptions) => new Intl.NumberFormat(language.value, digits).format(n).replace("-", "−");

/** A number as the language writes it, with up to so many digits after the point. */
export const number = (n: number, digits = 0) => written(n, { maximumFractionDigits: digits });

/** A number with exactly so many digits after the point. */
export const fixed = (n: number, digits: number) => written(n, { minimumFractionDigits: digits, maximumFractionDigits: digits });

export const milliseconds = (n: number) => `${number(n, n < 10 ? 2 : n < 100 ? 1 : 0)} ms`;

/** Russian has three forms: 1 текст, 2 текста, 5 текстов. */
export function plural(n: number, forms: { one: string; few?: string; many?: string; other?: string }): string {
  const rule = new Intl.PluralRules(language.value).select(n) as "one" | "few" | "many" | "other";
  return `${number(n)} ${forms[rule] ?? forms.other ?? forms.many ?? forms.one}`;
}
