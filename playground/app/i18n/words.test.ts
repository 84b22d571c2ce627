// All words of all parts of the page, in all languages.
import { afterAll, describe, expect, it } from "vitest";
import { type Language, language, languages } from "./language";

type Words = Record<string, string | ((...args: unknown[]) => string)>;

const modules = import.meta.glob<Record<string, { value: Words }>>("../**/words.ts", { eager: true });
const sources = import.meta.glob<string>("../**/words.ts", { eager: true, query: "?raw", import: "default" });
const tongues = Object.keys(languages) as Language[];
const letters = { en: /\p{Script=Latin}/u, ko: /\p{Script=Hangul}/u, ru: /\p{Script=Cyrillic}/u };

/** The words that a file exports, in a language. */
function wordsOf(file: string, tongue: Language): Words {
  language.value = tongue;
  return Object.assign({}, ...Object.values(modules[file] ?? {}).map((words) => ({ ...words.value })));
}

/** What a message says: with numbers in its places, or with texts where it takes no numbers. */
function said(message: Words[string] | undefined, n: number): string {
  if (typeof message !== "function") return message ?? "";
  for (const of of [(i: number) => n + i, (i: number) => `${n + i}`]) {
    try {
      return message(...Array.from({ length: message.length }, (_, i) => of(i)));
    } catch {
      // It takes the other kind.
    }
  }
  throw new Error(`takes neither numbers nor texts: ${message}`);
}

afterAll(() => {
  language.value = "en";
});

it("is found", () => {
  expect(Object.keys(modules)).toEqual(expect.arrayContaining(["../shell/words.ts", "../parts/words.ts", "../charts/words.ts"]));
  expect(tongues).toEqual(["en", "ko", "ru"]);
});

describe.each(Object.keys(modules))("%s", (file) => {
  const english = wordsOf(file, "en");

  it.each(tongues)("has all its words in %s", (tongue) => {
    const words = wordsOf(file, tongue);
    expect(Object.keys(words).sort()).toEqual(Object.keys(english).sort());
    for (const [name, message] of Object.entries(words)) {
      for (const n of [1, 2, 5]) {
        const text = said(message, n);
        expect(text.trim(), `${name}(${n})`).not.toBe("");
        expect(text, `${name}(${n}): an apostrophe is ’`).not.toMatch(/\p{L}'/u);
        if (typeof message === "function") expect(text, `${name}(${n})`).not.toMatch(/undefined|NaN|\[object|\bnull\b/);
      }
    }
  });

  it.each(["ko", "ru"] as const)("is translated into %s", (tongue) => {
    const words = wordsOf(file, tongue);
    const left = Object.keys(english).filter((name) => {
      language.value = "en";
      const sentence = said(english[name], 2);
      language.value = tongue;
      return sentence.split(/\s+/).filter((word) => /^\p{Ll}{3,}/u.test(word)).length >= 2 && !letters[tongue].test(said(words[name], 2));
    });
    expect(left).toEqual([]);
  });

  it.each(["ko", "ru"] as const)("says what English says of its numbers in %s", (tongue) => {
    const words = wordsOf(file, tongue);
    for (const [name, message] of Object.entries(english)) {
      language.value = "en";
      const differs = said(message, 3) !== said(message, 7);
      language.value = tongue;
      expect(said(words[name], 3) !== said(words[name], 7), name).toBe(differs);
    }
  });

  it("has all forms of Russian and Korean plurals", () => {
    for (const [call, forms = ""] of (sources[file] ?? "").matchAll(/plural\([^{]*\{([^}]*)\}/g)) {
      const names = [...forms.matchAll(/(\w+):/g)].map((found) => found[1]);
      if (letters.ru.test(forms)) expect(names, call).toEqual(expect.arrayContaining(["one", "few", "many"]));
      if (letters.ko.test(forms)) expect(names, call).toContain("other");
    }
  });
});
