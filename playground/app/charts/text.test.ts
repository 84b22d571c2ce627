import { describe, expect, it } from "vitest";
import { plain, short, wrap } from "./text";

describe("wrap", () => {
  it("breaks into lines, and leaves out what is beyond the last", () => {
    expect(wrap("abcdef", 2, 3)).toBe("ab\ncd\nef");
    expect(wrap("abcdefg", 2, 3)).toBe("ab\ncd\nef…");
    expect(wrap("a \n\t b", 10)).toBe("a b");
    expect(wrap("")).toBe("");
  });

  it("takes Korean characters and pictures for two columns, and cuts none in two", () => {
    expect(wrap("배송이", 4)).toBe("배송\n이");
    expect(wrap("🚚🚚", 3)).toBe("🚚\n🚚");
  });
});

it("shortens to one line", () => {
  expect(short("Where is my order?", 8)).toBe("Where is…");
  expect(short("short", 8)).toBe("short");
});

it("keeps ECharts from reading a text as styles", () => {
  const style = /\{([a-zA-Z0-9_]+)\|([^}]*)\}/;
  for (const text of ["{b|bold}", "x {a|y} {c|z}", "{{b|c}}"]) {
    expect(text).toMatch(style);
    expect(plain(text)).not.toMatch(style);
    expect(plain(text).replaceAll("\u2060", "")).toBe(text);
  }
  expect(plain("{ a | b } {}")).toBe("{ a | b } {}");
});
