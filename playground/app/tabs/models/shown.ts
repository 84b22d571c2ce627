import { type ReadonlySignal, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";

/** Whether somebody may be looking: the element is within the window, and the window is not hidden. */
export function useShown(element: RefObject<Element | null>): ReadonlySignal<boolean> {
  const shown = useSignal(false);
  useEffect(() => {
    const target = element.current;
    if (!target) return;
    let within = false;
    const look = () => {
      shown.value = within && document.visibilityState === "visible";
    };
    const watch = new IntersectionObserver((entries) => {
      within = entries.at(-1)?.isIntersecting ?? within;
      look();
    });
    watch.observe(target);
    document.addEventListener("visibilitychange", look);
    return () => {
      watch.disconnect();
      document.removeEventListener("visibilitychange", look);
    };
  }, [element, shown]);
  return shown;
}
