import { afterEach, expect, it, vi } from "vitest";

const start = async () => {
  vi.resetModules();
  const { key } = await import("./key");
  const { credentials } = await import("../api/http");
  return { key, credentials };
};

afterEach(() => {
  sessionStorage.clear();
  localStorage.clear();
});

it("is kept in session storage only, and sent", async () => {
  const { key, credentials } = await start();
  expect(credentials.key).toBe("");
  key.value = "qk-secret";
  expect(credentials.key).toBe("qk-secret");
  expect(Object.values({ ...sessionStorage })).toEqual(["qk-secret"]);
  expect(localStorage.length).toBe(0);
  expect(document.cookie).toBe("");
});

it("is found again when the page is loaded anew, and is gone when it is cleared", async () => {
  sessionStorage.setItem("quadrate.key", "qk-secret");
  const { key, credentials } = await start();
  expect([key.value, credentials.key]).toEqual(["qk-secret", "qk-secret"]);
  key.value = "";
  expect(credentials.key).toBe("");
  expect(sessionStorage.length).toBe(0);
});
