import { afterEach, expect, it, vi } from "vitest";
import { recall, remember } from "./storage";

afterEach(() => vi.restoreAllMocks());

it("keeps and forgets", () => {
  remember("localStorage", "a", "1");
  expect([recall("localStorage", "a"), recall("sessionStorage", "a")]).toEqual(["1", null]);
  remember("localStorage", "a", "");
  expect(recall("localStorage", "a")).toBeNull();
});

it("does without where the browser forbids it", () => {
  vi.spyOn(window, "localStorage", "get").mockImplementation(() => {
    throw new DOMException("denied", "SecurityError");
  });
  remember("localStorage", "a", "1");
  expect(recall("localStorage", "a")).toBeNull();
});
