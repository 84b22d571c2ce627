import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { choose } from "../../i18n/language";
import { listed, shortened, TextPicker } from "./TextPicker";

beforeEach(() => choose("en"));
afterEach(cleanup);

const many = Array.from({ length: listed + 50 }, (_, i) => (i % 50 === 7 ? `odd ${i}` : `text ${i}`));
const options = () => screen.getAllByRole<HTMLOptionElement>("option").map((o) => o.value);
const find = (wanted: string) => fireEvent.input(screen.getByRole("searchbox", { name: "Find a text" }), { target: { value: wanted } });

test("lists few texts, and needs no search for them", async () => {
  const chosen = vi.fn();
  render(<TextPicker label="Text" texts={["first", "second"]} value={0} onChange={chosen} />);
  expect(screen.queryByRole("searchbox")).toBeNull();
  expect(screen.getAllByRole("option").map((o) => o.textContent)).toEqual(["1. first", "2. second"]);
  await fireEvent.change(screen.getByLabelText("Text"), { target: { value: "1" } });
  expect(chosen).toHaveBeenCalledWith(1);
});

test("lists no more than a list's worth of many, and the rest by search", async () => {
  render(<TextPicker label="Text" texts={many} value={0} onChange={() => {}} />);
  expect(options()).toHaveLength(listed);
  expect(screen.getByText("250 texts found; the first 200 are listed.")).toBeTruthy();
  await find("ODD");
  expect(options()).toEqual(["0", "7", "57", "107", "157", "207"]);
  expect(screen.getByText("5 texts found")).toBeTruthy();
});

test("keeps the chosen text in the list, wherever it stands", () => {
  render(<TextPicker label="Text" texts={many} value={240} onChange={() => {}} />);
  expect(options()[0]).toBe("240");
  expect(screen.getByLabelText<HTMLSelectElement>("Text").value).toBe("240");
});

test("shortens texts between characters", () => {
  expect(shortened("x".repeat(80))).toBe("x".repeat(80));
  expect(shortened("x".repeat(81))).toBe(`${"x".repeat(79)}…`);
  expect(shortened("😀".repeat(80))).toBe("😀".repeat(80));
  expect(shortened("😀".repeat(500))).toBe(`${"😀".repeat(79)}…`);
});
