import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Problem } from "./Problem";
import { words } from "./words";

/** Progress of work that has parts. */
export type Report = (done: number, total: number) => void;

interface Props {
  /** Does the work; what it throws is shown, unless it was cancelled. */
  work: (signal: AbortSignal, report: Report) => Promise<void>;
  disabled?: boolean;
  label?: string;
}

/** A button that starts work, shows how far it is, cancels it, and shows its error. */
export function Run({ work, disabled = false, label }: Props) {
  const w = words.value;
  const running = useRef<AbortController | null>(null);
  const busy = useSignal(false);
  const progress = useSignal<[number, number] | null>(null);
  const problem = useSignal<unknown>(null);
  useEffect(() => () => running.current?.abort(), []);
  const start = async () => {
    const mine = new AbortController();
    running.current = mine;
    busy.value = true;
    progress.value = problem.value = null;
    try {
      await work(mine.signal, (done, total) => {
        progress.value = [done, total];
      });
    } catch (reason) {
      if (!mine.signal.aborted) problem.value = reason;
    }
    busy.value = false;
    progress.value = null;
  };
  const p = progress.value;
  return (
    <div class="run">
      <div class="row">
        <button type="button" class="primary" disabled={disabled || busy.value} onClick={start}>
          {label ?? w.run}
        </button>
        {busy.value && (
          <button type="button" onClick={() => running.current?.abort()}>
            {w.cancel}
          </button>
        )}
        {p && (
          <>
            <progress max={p[1]} value={p[0]} aria-label={label ?? w.run} />
            <small role="status">{w.progress(p[0], p[1])}</small>
          </>
        )}
      </div>
      <Problem error={problem.value} />
    </div>
  );
}
