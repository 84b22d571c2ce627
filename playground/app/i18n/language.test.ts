import { afterEach, describe, expect, it } from "vitest";
import { choose, fixed, initial, language, messages, milliseconds, number, plural } from "./language";

afterEach(() => choose("en"));

describe("the language at the start", () => {
  it.each([
    [null, ["fr-FR", "ko-KR", "en"], "ko"],
    [null, ["RU"], "ru"],
    [null, ["fr", "constructor"], "en"],
    [null, [], "en"],
    ["ru", ["ko"], "ru"],
    ["xx", ["ko"], "ko"],
  ])("of %s chosen and %s preferred", (chosen, preferred, want) => {
    expect(initial(chosen, preferred)).toBe(want);
  });
});

it("is kept", () => {
  choose("ko");
  expect(localStorage.getItem("quadrate.language")).toBe("ko");
});

it("gives the words of the language", () => {
  const words = messages({ a: "one" }, { a: "하나" }, { a: "один" });
  expect(words.value.a).toBe("one");
  language.value = "ru";
  expect(words.value.a).toBe("один");
});

it("writes numbers as the language does", () => {
  expect([number(12345.678, 1), fixed(0.5, 3), milliseconds(3.256), milliseconds(1234.5)]).toEqual([
    "12,345.7",
    "0.500",
    "3.26 ms",
    "1,235 ms",
  ]);
  language.value = "ru";
  expect(number(12345.678, 1).replace(/\s/g, " ")).toBe("12 345,7");
});

it.each(["en", "ko", "ru"] as const)("writes a minus, and no hyphen, in %s", (tongue) => {
  language.value = tongue;
  expect([number(-3), fixed(-0.5, 1)].map((text) => text.charAt(0))).toEqual(["−", "−"]);
});

describe("plural", () => {
  const forms = { one: "текст", few: "текста", many: "текстов", other: "текста" };
  it.each([
    [1, "1 текст"],
    [2, "2 текста"],
    [5, "5 текстов"],
    [11, "11 текстов"],
    [21, "21 текст"],
    [1.5, "2 текста"],
  ])("of %s in Russian", (n, want) => {
    language.value = "ru";
    expect(plural(n, forms)).toBe(want);
  });

  it("has one form in Korean and two in English", () => {
    const two = { one: "text", other: "texts" };
    expect([plural(1, two), plural(2, two)]).toEqual(["1 text", "2 texts"]);
    language.value = "ko";
    expect(plural(1, two)).toBe("1 texts");
  });
});
