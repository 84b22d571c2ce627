import { signal } from "@preact/signals";
import { cleanup, render, screen } from "@testing-library/preact";
import { afterEach, expect, it } from "vitest";
import { click } from "../parts/settle";
import { Guard } from "./Guard";

afterEach(cleanup);

it("shows what went wrong in its part only, and lets it begin anew", async () => {
  const broken = signal(true);
  function Part() {
    if (broken.value) throw new Error("no such field");
    return <p>works</p>;
  }
  render(
    <>
      <Guard>
        <Part />
      </Guard>
      <p>the other part</p>
    </>,
  );
  expect(screen.getByRole("alert").textContent).toBe("no such field");
  expect(screen.getByText("the other part")).toBeTruthy();
  broken.value = false;
  await click(screen.getByRole("button", { name: "Begin anew" }));
  expect(screen.getByText("works")).toBeTruthy();
});
