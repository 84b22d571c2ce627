import { useSignal } from "@preact/signals";
import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Tab, Tabs } from "./Tabs";

const order: Tab[] = ["embed", "rerank", "compare", "search", "models"];

function Page() {
  const current = useSignal<Tab>("embed");
  return (
    <Tabs
      order={order}
      current={current.value}
      open={(tab) => {
        current.value = tab;
      }}
    />
  );
}

beforeEach(() => {
  render(<Page />);
});
afterEach(cleanup);

const selected = () => screen.getAllByRole("tab", { selected: true }).map((tab) => tab.textContent);
const press = (key: string, more = {}) => fireEvent.keyDown(document.activeElement ?? document.body, { key, ...more });

it("has one tab in the order of focus, which names its panel", () => {
  const tabs = screen.getAllByRole("tab");
  expect(tabs.map((tab) => tab.getAttribute("tabindex"))).toEqual(["0", "-1", "-1", "-1", "-1"]);
  expect(tabs.map((tab) => [tab.id, tab.getAttribute("aria-controls")])).toEqual(order.map((tab) => [`tab-${tab}`, `panel-${tab}`]));
});

it.each([
  [["ArrowRight"], "Rerank"],
  [["ArrowLeft"], "Models"],
  [["End"], "Models"],
  [["End", "ArrowRight"], "Embed"],
  [["ArrowRight", "ArrowRight", "Home"], "Embed"],
  [["ArrowDown"], "Embed"],
])("%j leads to %s, and takes the focus there", (keys, want) => {
  screen.getByRole("tab", { name: "Embed" }).focus();
  for (const key of keys) press(key);
  expect(selected()).toEqual([want]);
  expect(document.activeElement?.textContent).toBe(want);
  expect(document.activeElement?.getAttribute("tabindex")).toBe("0");
});

it("leaves the browser its own shortcuts", () => {
  screen.getByRole("tab", { name: "Embed" }).focus();
  press("ArrowRight", { altKey: true });
  expect(selected()).toEqual(["Embed"]);
});

it("opens what is clicked", () => {
  fireEvent.click(screen.getByRole("tab", { name: "Search" }));
  expect(selected()).toEqual(["Search"]);
});
