import type { ComponentChildren } from "preact";
import { useErrorBoundary } from "preact/hooks";
import { Problem } from "../parts/Problem";
import { words } from "./words";

/** Keeps what goes wrong in one tab from taking the others away. */
export function Guard({ children }: { children: ComponentChildren }) {
  const [error, reset] = useErrorBoundary();
  if (error === undefined) return <>{children}</>;
  return (
    <>
      <Problem error={error} />
      <div class="row">
        <button type="button" onClick={reset}>
          {words.value.reset}
        </button>
      </div>
    </>
  );
}
