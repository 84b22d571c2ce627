// The small controls.
import { useSignal } from "@preact/signals";
import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Check } from "./Check";
import { Field } from "./Field";
import { NumberField } from "./NumberField";
import { ScoreBar } from "./ScoreBar";

afterEach(cleanup);

it("a field's control has its label and its hint", () => {
  render(
    <Field label="Order" hint="How the rows stand">
      <select />
    </Field>,
  );
  const control = screen.getByRole("combobox", { name: "Order" });
  expect(document.getElementById(control.getAttribute("aria-describedby") ?? "")?.textContent).toBe("How the rows stand");
});

it("a check tells its state", () => {
  const changed = vi.fn();
  render(<Check label="Raw scores" checked={false} onChange={changed} />);
  fireEvent.click(screen.getByRole("checkbox", { name: "Raw scores" }));
  expect(changed).toHaveBeenCalledWith(true);
});

describe("a number field", () => {
  const passed = vi.fn();
  function Top() {
    const top = useSignal<number | undefined>(3);
    return (
      <NumberField
        label="Top"
        min={1}
        max={10}
        optional
        value={top.value}
        onChange={(n) => {
          passed(n);
          top.value = n;
        }}
      />
    );
  }
  const field = () => screen.getByLabelText<HTMLInputElement>("Top");
  const write = (value: string) => fireEvent.input(field(), { target: { value } });

  it("passes on whole numbers of its range, and none", () => {
    render(<Top />);
    passed.mockClear();
    write("10");
    write("");
    expect(passed.mock.calls).toEqual([[10], [undefined]]);
  });

  it.each(["0", "11", "2.5", "-1"])("does not pass on %s, says what it takes, and returns to the last one", (value) => {
    render(<Top />);
    passed.mockClear();
    write(value);
    expect(passed).not.toHaveBeenCalled();
    expect(field().getAttribute("aria-invalid")).toBe("true");
    const range = screen.getByText("A whole number from 1 to 10");
    expect(range.className).toBe("");
    fireEvent.blur(field());
    // It keeps its room, so that what the pointer is about to press stays where it is.
    expect(range.isConnected).toBe(true);
    expect(range.className).toBe("unseen");
    expect(field().value).toBe("3");
    expect(field().getAttribute("aria-invalid")).toBe("false");
  });
});

describe("a score bar", () => {
  const bar = (value: number, min: number, max: number) => {
    const { container } = render(<ScoreBar value={value} min={min} max={max} digits={2} />);
    const { left, width } = (container.querySelector(".track > span") as HTMLElement).style;
    return [left, width, container.textContent];
  };

  it.each([
    [0.25, 0, 1, ["0%", "25%", "0.25"]],
    [5, 0, 1, ["0%", "100%", "5.00"]],
    [1, -1, 3, ["25%", "25%", "1.00"]],
    [-1, -1, 3, ["0%", "25%", "−1.00"]],
    [-4, -8, -2, ["0%", "66.66666666666666%", "−4.00"]],
    [2, 2, 2, ["0%", "100%", "2.00"]],
  ])("of %s between %s and %s", (value, min, max, want) => {
    expect(bar(value, min, max)).toEqual(want);
  });
});
