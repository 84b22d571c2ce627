import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, expect, it } from "vitest";
import { choose } from "../i18n/language";
import { Header } from "./Header";
import { key } from "./key";
import { theme } from "./theme";

afterEach(() => {
  cleanup();
  key.value = "";
  theme.value = "system";
  choose("en");
});

const field = () => screen.getByLabelText<HTMLInputElement>("API key");

it("takes the key without the blanks that come with pasting, and hides it", () => {
  render(<Header />);
  fireEvent.input(field(), { target: { value: " qk-1 \n" } });
  expect(key.value).toBe("qk-1");
  expect([field().type, field().autocomplete]).toEqual(["password", "off"]);
  fireEvent.click(screen.getByRole("button", { name: "Show" }));
  expect(field().type).toBe("text");
  fireEvent.click(screen.getByRole("button", { name: "Hide" }));
  expect(field().type).toBe("password");
});

it("sends no form", () => {
  render(<Header />);
  const form = field().closest("form") as HTMLFormElement;
  expect(fireEvent.submit(form)).toBe(false);
});

it("changes the language of the page and its colours", () => {
  render(<Header />);
  fireEvent.change(screen.getByLabelText("Colours"), { target: { value: "dark" } });
  expect(document.documentElement.dataset.theme).toBe("dark");
  fireEvent.change(screen.getByLabelText("Language"), { target: { value: "ko" } });
  expect(screen.getByRole("heading").textContent).toBe("Quadrate 플레이그라운드");
  expect(screen.getByLabelText("API 키")).toBeTruthy();
});
