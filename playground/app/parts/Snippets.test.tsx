import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { key } from "../shell/key";
import { Snippets } from "./Snippets";
import { click } from "./settle";

let clipboard: string[];

beforeEach(() => {
  clipboard = [];
  vi.stubGlobal("navigator", { ...navigator, clipboard: { writeText: async (text: string) => void clipboard.push(text) } });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  key.value = "";
});

const shown = () => screen.getByRole("tabpanel").textContent ?? "";
const tab = (name: string) => screen.getByRole("tab", { name });
const body = { model: "m", input: ["one"] };

it("shows one language at a time, chosen by mouse or keyboard, and copies it", async () => {
  render(<Snippets path="/v1/embeddings" body={body} />);
  expect(shown()).toContain(`curl -sS --fail-with-body '${location.origin}/v1/embeddings'`);
  fireEvent.click(tab("Python"));
  expect(shown()).toContain("urllib.request");
  tab("Python").focus();
  fireEvent.keyDown(tab("Python"), { key: "End" });
  expect(shown()).toContain("package main");
  await click(screen.getByRole("button", { name: "Copy" }));
  expect(clipboard).toEqual([shown()]);
  expect(screen.getByRole("status").textContent).toBe("Copied");
  fireEvent.click(tab("curl"));
  expect(screen.getByRole("status").textContent).toBe("");
});

it("has no key in it, only where to find it", () => {
  key.value = "qk-secret";
  render(<Snippets path="/v1/embeddings" body={body} />);
  for (const { textContent } of screen.getAllByRole("tab")) {
    fireEvent.click(tab(textContent ?? ""));
    expect(shown()).not.toContain("qk-secret");
    expect(shown()).toContain("QUADRATE_API_KEY");
  }
  expect(screen.getByText("The key is read from the environment variable QUADRATE_API_KEY.")).toBeTruthy();
});

it("says what is left out", () => {
  const texts = Array.from({ length: 5000 }, (_, i) => (i === 0 ? "x".repeat(1000) : `text ${i}`));
  render(<Snippets path="/v1/embeddings" body={{ model: "m", input: texts }} />);
  fireEvent.click(tab("curl"));
  expect(screen.getByText("Shortened: the first 16 of 5,000 items are in it.")).toBeTruthy();
  expect(screen.getByText("Shortened: 1 long text is cut.")).toBeTruthy();
  expect(shown()).toContain('"text 15"');
  expect(shown()).not.toContain('"text 16"');
});

it("shows texts as texts", () => {
  render(<Snippets path="/v1/embeddings" body={{ model: "m", input: ["<img src=x onerror=alert(1)>"] }} />);
  expect(document.querySelector("img")).toBeNull();
  expect(shown()).toContain("<img src=x onerror=alert(1)>");
});
