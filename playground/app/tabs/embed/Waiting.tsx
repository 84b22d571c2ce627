import type { ComponentChildren } from "preact";
import { Problem } from "../../parts/Problem";
import type { Later } from "./later";
import { words } from "./words";

/** What was computed, shown when it is there; until then that it is being computed, or why it is not. */
export function Waiting<T>({ for: later, children }: { for: Later<T>; children: (value: T) => ComponentChildren }) {
  if (later.state === "failed") return <Problem error={later.reason} />;
  if (later.state === "waiting") return <p role="status">{words.value.computing}</p>;
  return <>{children(later.value)}</>;
}
