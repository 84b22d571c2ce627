import { afterEach, beforeEach, expect, it, vi } from "vitest";

let system: { matches: boolean; addEventListener: (name: string, f: (e: { matches: boolean }) => void) => void };
let tell: (e: { matches: boolean }) => void;

beforeEach(() => {
  vi.resetModules();
  localStorage.clear();
  system = {
    matches: false,
    addEventListener: (_, f) => {
      tell = f;
    },
  };
  vi.spyOn(window, "matchMedia").mockImplementation(() => system as unknown as MediaQueryList);
});

afterEach(() => vi.restoreAllMocks());

const shown = () => document.documentElement.dataset.theme;

it("follows the system while nothing was chosen", async () => {
  const { dark } = await import("./theme");
  expect([dark.value, shown()]).toEqual([false, "light"]);
  tell({ matches: true });
  expect([dark.value, shown()]).toEqual([true, "dark"]);
  expect(localStorage.length).toBe(0);
});

it("stays as it was chosen, whatever the system does, until the system is chosen", async () => {
  const { dark, theme } = await import("./theme");
  theme.value = "dark";
  expect([dark.value, shown(), localStorage.getItem("quadrate.theme")]).toEqual([true, "dark", "dark"]);
  theme.value = "light";
  tell({ matches: true });
  expect(shown()).toBe("light");
  theme.value = "system";
  expect(shown()).toBe("dark");
  expect(localStorage.getItem("quadrate.theme")).toBeNull();
});

it.each([
  ["dark", "dark", "dark"],
  ["pink", "system", "light"],
])("reads %s as it was stored", async (stored, want, colours) => {
  localStorage.setItem("quadrate.theme", stored);
  const { theme } = await import("./theme");
  expect([theme.value, shown()]).toEqual([want, colours]);
});
