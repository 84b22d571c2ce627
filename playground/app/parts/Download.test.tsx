import { cleanup, render, screen } from "@testing-library/preact";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Download } from "./Download";
import { click } from "./settle";

let saved: { name: string; blob: Blob }[];

beforeEach(() => {
  saved = [];
  let last: Blob;
  vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => {
    last = blob as Blob;
    return "blob:made";
  });
  vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
    saved.push({ name: this.download, blob: last });
  });
});

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

it("saves what is made when it is asked for", async () => {
  const content = vi.fn(() => "a,b\n");
  render(
    <Download name="v.csv" type="text/csv" content={content}>
      CSV
    </Download>,
  );
  expect(content).not.toHaveBeenCalled();
  await click(screen.getByRole("button", { name: "CSV" }));
  expect(saved.map(({ name, blob }) => [name, blob.type])).toEqual([["v.csv", "text/csv"]]);
  expect(await saved[0]?.blob.text()).toBe("a,b\n");
});

it("says why it cannot", async () => {
  render(
    <Download name="v.csv" type="text/csv" content={() => Promise.reject(new Error("too large"))}>
      CSV
    </Download>,
  );
  await click(screen.getByRole("button", { name: "CSV" }));
  expect(screen.getByRole("alert").textContent).toBe("too large");
  expect(saved).toEqual([]);
});
