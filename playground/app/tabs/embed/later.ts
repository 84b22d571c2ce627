import { useEffect, useState } from "preact/hooks";

/** What is being computed: nothing yet, the value, or why there is none. */
export type Later<T> = { state: "waiting" } | { state: "done"; value: T } | { state: "failed"; reason: unknown };

/**
 * Computes when an input changes. The former value stays until the new one is there, so that nothing jumps;
 * where that matters, a value tells of what it is. The worker cannot be interrupted: an answer to earlier
 * inputs that comes late is not taken.
 */
export function useLater<T>(compute: () => Promise<T>, inputs: readonly unknown[]): Later<T> {
  const [later, setLater] = useState<Later<T>>({ state: "waiting" });
  useEffect(() => {
    let wanted = true;
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
