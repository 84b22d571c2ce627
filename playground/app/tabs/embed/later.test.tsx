import { cleanup, renderHook, waitFor } from "@testing-library/preact";
import { afterEach, expect, test } from "vitest";
import { useLater } from "./later";

afterEach(cleanup);

/** Computations by their input, which end when the test says so. */
function slow() {
  const ends = new Map<string, { resolve: (value: string) => void; reject: (reason: unknown) => void }>();
  const hook = renderHook(
    ({ input }) => useLater(() => new Promise<string>((resolve, reject) => ends.set(input, { resolve, reject })), [input]),
    {
      initialProps: { input: "a" },
    },
  );
  return { ...hook, end: (input: string) => ends.get(input)?.resolve(`of ${input}`), ends };
}

test("keeps the former value until the new one is there", async () => {
  const { result, rerender, end, ends } = slow();
  expect(result.current).toEqual({ state: "waiting" });
  end("a");
  await waitFor(() => expect(result.current).toEqual({ state: "done", value: "of a" }));
  rerender({ input: "b" });
  await waitFor(() => expect(ends.has("b")).toBe(true));
  expect(result.current).toEqual({ state: "done", value: "of a" });
  end("b");
  await waitFor(() => expect(result.current).toEqual({ state: "done", value: "of b" }));
});

test("does not take an answer to earlier inputs", async () => {
  const { result, rerender, end, ends } = slow();
  rerender({ input: "b" });
  await waitFor(() => expect(ends.has("b")).toBe(true));
  end("b");
  await waitFor(() => expect(result.current).toEqual({ state: "done", value: "of b" }));
  end("a");
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(result.current).toEqual({ state: "done", value: "of b" });
});

test("tells why there is no value", async () => {
  const { result, ends } = slow();
  ends.get("a")?.reject(new Error("no worker"));
  await waitFor(() => expect(result.current).toEqual({ state: "failed", reason: new Error("no worker") }));
});
