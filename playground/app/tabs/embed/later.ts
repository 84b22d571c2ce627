import { useEffect, useState } from "preact/hooks";

/** What is being computed: nothing yet, the value, or why there is none. */
export type Later<T> = { state: "waiting" } | { state: "done"; value: T } | { state: "failed"; reason: unknown };

/**
 * Computes anew when an input changes, and keeps the answer to the last inputs alone: the worker cannot
 * be interrupted, and an answer to earlier ones may come late.
 */
export function useLater<T>(compute: () => Promise<T>, inputs: readonly unknown[]): Later<T> {
  const [later, setLater] = useState<Later<T>>({ state: "waiting" });
  useEffect(() => {
    let wanted = true;
    setLater({ state: "waiting" });
    compute().then(
      (value) => wanted && setLater({ state: "done", value }),
      (reason) => wanted && setLater({ state: "failed", reason }),
    );
    return () => {
      wanted = false;
    };
  }, inputs);
  return later;
}
