import { useSignal } from "@preact/signals";
import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, expect, it, vi } from "vitest";
import { settle } from "./settle";
import { TextsInput } from "./TextsInput";

afterEach(cleanup);

function Texts() {
  const value = useSignal("one\n\ntwo");
  return (
    <TextsInput
      label="Texts"
      value={value.value}
      onChange={(text) => {
        value.value = text;
      }}
    />
  );
}

const field = () => screen.getByLabelText<HTMLTextAreaElement>("Texts");
const file = (name: string, body: string) => new File([body], name);

it("counts the texts as they are written", () => {
  render(<Texts />);
  expect(screen.getByText("2 texts")).toBeTruthy();
  fireEvent.input(field(), { target: { value: "only" } });
  expect(screen.getByText("1 text")).toBeTruthy();
});

it("reads a file, a text a line whatever it holds", async () => {
  render(<Texts />);
  const input = screen.getByLabelText("From a file (txt, csv, jsonl)");
  const body = `${JSON.stringify({ text: "two\n lines" })}\n${JSON.stringify("<b>한국어</b>")}\n`;
  fireEvent.change(input, { target: { files: [file("a.jsonl", body)] } });
  await settle();
  await vi.waitFor(() => expect(field().value).toBe("two lines\n<b>한국어</b>"));
});

it("reads a file that is dropped on it", async () => {
  render(<Texts />);
  const dropped = new Event("drop", { bubbles: true, cancelable: true });
  Object.defineProperty(dropped, "dataTransfer", { value: { files: [file("a.txt", "x\ny\n")] } });
  field().dispatchEvent(dropped);
  await settle();
  expect(dropped.defaultPrevented).toBe(true);
  await vi.waitFor(() => expect(field().value).toBe("x\ny"));
});

it("keeps the texts where a file cannot be read, and says why", async () => {
  render(<Texts />);
  const input = screen.getByLabelText("From a file (txt, csv, jsonl)");
  fireEvent.change(input, { target: { files: [file("a.jsonl", '"fine"\n{"text":\n')] } });
  await settle();
  await vi.waitFor(() => expect(screen.getByRole("alert").textContent).toContain("2"));
  expect(field().value).toBe("one\n\ntwo");
});
