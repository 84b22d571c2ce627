import { cleanup, fireEvent, render, screen, within } from "@testing-library/preact";
import { afterEach, expect, it } from "vitest";
import { DataTable, type Row } from "./DataTable";

afterEach(cleanup);

const columns = [
  { key: "name", name: "Name", sortable: true },
  { key: "score", name: "Score", numeric: true, sortable: true },
];
const rows: Row[] = [
  { name: "item 10", score: "9.0", sortBy: { score: 9 } },
  { name: "item 9", score: "10.0", sortBy: { score: 10 } },
  { name: "item 1", score: "−1.0", sortBy: { score: -1 } },
];
const names = () => screen.getAllByRole("rowheader").map((cell) => cell.textContent);

it("is named by its caption, reached by the keyboard, and has its rows as they came", () => {
  render(<DataTable caption="Scores" columns={columns} rows={rows} />);
  expect(screen.getByRole("table", { name: "Scores" })).toBeTruthy();
  expect(screen.getByRole("region", { name: "Scores" }).tabIndex).toBe(0);
  expect(names()).toEqual(["item 10", "item 9", "item 1"]);
});

it("sorts by what a cell stands for, up and down, and tells so", () => {
  render(<DataTable caption="Scores" columns={columns} rows={rows} />);
  const heading = screen.getByRole("columnheader", { name: /Score/ });
  fireEvent.click(within(heading).getByRole("button"));
  expect(names()).toEqual(["item 1", "item 10", "item 9"]);
  expect(heading.getAttribute("aria-sort")).toBe("ascending");
  fireEvent.click(within(heading).getByRole("button"));
  expect(names()).toEqual(["item 9", "item 10", "item 1"]);
  expect(heading.getAttribute("aria-sort")).toBe("descending");
});

it("sorts texts as people count", () => {
  render(<DataTable caption="Scores" columns={columns} rows={rows} />);
  fireEvent.click(screen.getByRole("button", { name: /Name/ }));
  expect(names()).toEqual(["item 1", "item 9", "item 10"]);
});

it("shows many rows part by part", () => {
  const many = Array.from({ length: 450 }, (_, i) => ({ name: `row ${i}`, score: i }));
  render(<DataTable caption="Many" columns={columns} rows={many} />);
  expect(names()).toHaveLength(200);
  expect(screen.getByRole("status").textContent).toBe("200 of 450 shown");
  fireEvent.click(screen.getByRole("button", { name: "Show 200 more" }));
  fireEvent.click(screen.getByRole("button", { name: "Show 50 more" }));
  expect(names()).toHaveLength(450);
  expect(screen.queryByRole("button", { name: /^Show/ })).toBeNull();
  // The button has taken the focus with it otherwise.
  expect(document.activeElement).toBe(screen.getByRole("status"));
});
