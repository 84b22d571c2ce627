import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, expect, it, vi } from "vitest";
import { ApiError } from "../api/http";
import { type Report, Run } from "./Run";
import { click, settle } from "./settle";

afterEach(cleanup);

/** Work that is ended by hand. */
function handwork() {
  const seen: { signal?: AbortSignal; report?: Report; finish?: () => void; fail?: (reason: unknown) => void } = {};
  const work = vi.fn(
    (signal: AbortSignal, report: Report) =>
      new Promise<void>((finish, fail) => {
        Object.assign(seen, { signal, report, finish, fail });
        signal.addEventListener("abort", () => fail(new DOMException("aborted", "AbortError")));
      }),
  );
  return { work, seen };
}

const button = (name: string) => screen.getByRole<HTMLButtonElement>("button", { name });

it("shows how far it is, and keeps the focus", async () => {
  const { work, seen } = handwork();
  render(<Run work={work} />);
  button("Run").focus();
  await click(button("Run"));
  expect(screen.getByRole("status").textContent).toBe("Running…");
  seen.report?.(1000, 2000);
  await settle();
  expect(screen.getByText("1,000 of 2,000")).toBeTruthy();
  expect(screen.getByRole("progressbar").getAttribute("value")).toBe("1000");
  expect(screen.getByRole("status").textContent).toBe("50 %");
  expect(document.activeElement).toBe(button("Run"));
  seen.finish?.();
  await settle();
  expect(screen.queryByRole("progressbar")).toBeNull();
  expect(screen.getByRole("status").textContent).toBe("");
});

it("runs once at a time", async () => {
  const { work, seen } = handwork();
  render(<Run work={work} />);
  await click(button("Run"));
  await click(button("Run"));
  expect(work).toHaveBeenCalledTimes(1);
  expect(button("Run").getAttribute("aria-disabled")).toBe("true");
  seen.finish?.();
  await settle();
  await click(button("Run"));
  expect(work).toHaveBeenCalledTimes(2);
});

it("is cancelled without an error", async () => {
  const { work, seen } = handwork();
  render(<Run work={work} />);
  await click(button("Run"));
  seen.report?.(64, 5000);
  await settle();
  button("Cancel").focus();
  await click(button("Cancel"));
  expect(seen.signal?.aborted).toBe(true);
  expect(screen.getByRole("status").textContent).toBe("Cancelled after 64 of 5,000.");
  expect(document.activeElement).toBe(button("Run"));
  expect(screen.queryByRole("alert")).toBeNull();
  expect(screen.queryByRole("button", { name: "Cancel" })).toBeNull();
});

it("shows what went wrong until it is started anew", async () => {
  const { work, seen } = handwork();
  render(<Run work={work} />);
  await click(button("Run"));
  seen.fail?.(new ApiError("queue is full", 429, "", "queue_full", "", "", 2));
  await settle();
  expect(screen.getByRole("alert").textContent).toBe("429 queue_full queue is fullAsk again in 2 seconds.");
  await click(button("Run"));
  expect(screen.queryByRole("alert")).toBeNull();
});

it("is cancelled when its tab goes away", async () => {
  const { work, seen } = handwork();
  const { unmount } = render(<Run work={work} />);
  await click(button("Run"));
  unmount();
  await settle();
  expect(seen.signal?.aborted).toBe(true);
});

it("is started by Ctrl+Enter anywhere in its tab, the first of several only, and not while it is disabled", async () => {
  const [first, second, other] = [handwork().work, handwork().work, handwork().work];
  render(
    <>
      <section role="tabpanel">
        <input aria-label="query" />
        <Run work={first} />
        <Run work={second} label="Save" />
      </section>
      <section role="tabpanel">
        <input aria-label="elsewhere" />
        <Run work={other} label="Other" disabled />
      </section>
    </>,
  );
  fireEvent.keyDown(screen.getByLabelText("query"), { key: "Enter" });
  await settle();
  expect(first).not.toHaveBeenCalled();
  fireEvent.keyDown(screen.getByLabelText("query"), { key: "Enter", ctrlKey: true });
  await settle();
  fireEvent.keyDown(screen.getByLabelText("elsewhere"), { key: "Enter", metaKey: true });
  await settle();
  expect([first, second, other].map((f) => f.mock.calls.length)).toEqual([1, 0, 0]);
});
