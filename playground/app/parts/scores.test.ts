import { expect, test } from "vitest";
import { choose } from "../i18n/language";
import { digitsOf, kindName, scaleOf } from "./scores";

test.each([
  ["sigmoid", [0.2, 0.1], 0, 1],
  ["cosine", [0.5, -0.1], -0.1, 1],
  ["cosine", [1.0000001, 0.3], 0, 1.0000001],
  ["logit", [-3, -11.5], -11.5, 0],
  ["logit", [4, 1], 0, 4],
  ["logit", [4, -1], -1, 4],
  ["logit", [0, 0], 0, 1],
  [undefined, [7, -7], -7, 7],
  ["sigmoid", [], 0, 1],
] as const)("the scale of %s %j", (kind, scores, min, max) => {
  expect(scaleOf(kind, [...scores])).toEqual({ min, max });
});

test.each([
  [0, 4],
  [-11.2, 4],
  [0.5, 4],
  [0.0123, 4],
  [0.00123, 5],
  [-0.0000456, 7],
  [1e-30, 10],
])("%d is shown with %d digits", (score, digits) => {
  expect(digitsOf(score)).toBe(digits);
});

test("a kind that is not known, were it called like what all objects have, is as the server calls it", () => {
  choose("en");
  expect(kindName("sigmoid")).toBe("sigmoid (0 to 1)");
  expect(kindName("constructor")).toBe("constructor");
  expect(kindName(undefined)).toBe("not stated by the server");
});
