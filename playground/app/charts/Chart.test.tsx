// What is drawn is held in charts.test.tsx; here the library is not to be had.
import { cleanup, render, screen } from "@testing-library/preact";
import { afterEach, expect, it, vi } from "vitest";
import { choose } from "../i18n/language";
import { Chart } from "./Chart";

vi.mock("./echarts", () => {
  throw new Error("not found");
});

afterEach(cleanup);

it("says what can be done where the library cannot be loaded", async () => {
  choose("en");
  render(<Chart label="Similarity" option={{}} height={100} />);
  expect((await screen.findByRole("alert")).textContent).toMatch(/could not be loaded .* reload the page\.$/);
});
