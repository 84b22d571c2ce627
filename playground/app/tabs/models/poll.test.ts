import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { poll, within } from "./poll";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("asks at once, then so long after each answer, and not before there is one", async () => {
  const answers: (() => void)[] = [];
  const ask = vi.fn(() => new Promise<void>((resolve) => answers.push(resolve)));
  const stop = poll(ask, 2000);
  expect(ask).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ask).toHaveBeenCalledTimes(1);
  answers.shift()?.();
  await vi.advanceTimersByTimeAsync(1999);
  expect(ask).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(ask).toHaveBeenCalledTimes(2);
  answers.shift()?.();
  stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ask).toHaveBeenCalledTimes(2);
});

test("stopping ends the question that is on its way, and what comes of it starts none", async () => {
  let asked: AbortSignal | undefined;
  let answer = () => {};
  const ask = vi.fn((signal: AbortSignal) => {
    asked = signal;
    return new Promise<void>((resolve) => {
      answer = resolve;
    });
  });
  const stop = poll(ask, 2000);
  expect(asked?.aborted).toBe(false);
  stop();
  expect(asked?.aborted).toBe(true);
  answer();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ask).toHaveBeenCalledTimes(1);
  expect(vi.getTimerCount()).toBe(0);
});

/** Work that ends only with its signal, as fetch does. */
const endless = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(new DOMException("gone", "AbortError"))));

test("work is given up after its time", async () => {
  const caught = within(10_000, new AbortController().signal, endless).catch((reason) => reason);
  await vi.advanceTimersByTimeAsync(10_000);
  expect((await caught).message).toBe("no answer within 10 s");
  expect(vi.getTimerCount()).toBe(0);
});

test("work ends with the signal, also with one that has ended before", async () => {
  const stopped = new AbortController();
  const caught = within(10_000, stopped.signal, endless).catch((reason) => reason);
  stopped.abort(new Error("enough"));
  expect((await caught).message).toBe("enough");
  const late = within(10_000, stopped.signal, async (signal) => signal.throwIfAborted()).catch((reason) => reason);
  expect((await late).message).toBe("enough");
  expect(vi.getTimerCount()).toBe(0);
});

test("work that is done leaves no timer, and its own errors are passed on", async () => {
  expect(await within(10, new AbortController().signal, async () => 7)).toBe(7);
  const failing = within(10, new AbortController().signal, () => Promise.reject(new Error("own")));
  await expect(failing).rejects.toThrow("own");
  expect(vi.getTimerCount()).toBe(0);
});
