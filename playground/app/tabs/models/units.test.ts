import { beforeEach, expect, test } from "vitest";
import { choose } from "../../i18n/language";
import { bytes, duration, percent, seconds } from "./units";

beforeEach(() => choose("en"));

test("a duration has its two largest units", () => {
  expect(duration(0.4)).toBe("0 sec");
  expect(duration(59.9)).toBe("59 sec");
  expect(duration(60)).toBe("1 min");
  expect(duration(3 * 3600 + 12 * 60 + 5)).toBe("3 hr 12 min");
  expect(duration(3 * 3600 + 5)).toBe("3 hr");
  expect(duration(86_400 * 2 + 3 * 3600)).toBe("2 days 3 hr");
  choose("ko");
  expect(duration(3 * 3600 + 12 * 60)).toBe("3시간 12분");
  choose("ru");
  expect(duration(86_400 + 3600)).toMatch(/^1.дн\. 1.ч$/);
});

test("sizes, shares and seconds", () => {
  expect([0, 999, 1000, 1_234_567, 5e12, 9e18].map(bytes)).toEqual(["0 byte", "999 byte", "1 kB", "1.2 MB", "5 TB", "9,000,000 TB"]);
  expect([1, 0.985, 0].map(percent)).toEqual(["100%", "98.5%", "0%"]);
  expect([0.04, 1.25, 42.4].map(seconds)).toEqual(["0 sec", "1.3 sec", "42 sec"]);
});
