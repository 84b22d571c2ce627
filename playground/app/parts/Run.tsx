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

/** A button that starts work, shows how far it is, cancels it, and shows its error. Ctrl+Enter in the same tab presses the first. */
export function Run({ work, disabled = false, label }: Props) {
  const w = words.value;
  const root = useRef<HTMLDivElement>(null);
  const running = useRef<AbortController | null>(null);
  const busy = useSignal(false);
  const progress = useSignal<[number, number] | null>(null);
  const problem = useSignal<unknown>(null);
  /** How far the work was when it was cancelled; null: it was not. */
  const stopped = useSignal<{ at: [number, number] | null } | null>(null);
  const primary = useRef<HTMLButtonElement>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  useEffect(() => () => running.current?.abort(), []);
  useShortcut(root);
  const start = async () => {
    if (busy.value) return;
    const mine = new AbortController();
    running.current = mine;
    busy.value = true;
    progress.value = problem.value = stopped.value = null;
    try {
      await work(mine.signal, (done, total) => {
        progress.value = [done, total];
      });
    } catch (reason) {
      if (mine.signal.aborted) stopped.value = { at: progress.value };
      else problem.value = reason;
    }
    // The button that is about to go must not take the focus with it.
    if (cancel.current && document.activeElement === cancel.current) primary.current?.focus();
    busy.value = false;
    progress.value = null;
  };
  const p = progress.value;
  return (
    <div class="run" ref={root}>
      <div class="row">
        {/* While it runs the button is not disabled by that, or the keyboard's focus would be lost. */}
        <button
          ref={primary}
          type="button"
          class="primary"
          disabled={disabled}
          aria-disabled={busy.value}
          aria-keyshortcuts="Control+Enter"
          onClick={start}
        >
          {label ?? w.run}
        </button>
        {busy.value && (
          <button ref={cancel} type="button" onClick={() => running.current?.abort()}>
            {w.cancel}
          </button>
        )}
        {p && (
          <>
            <progress max={p[1]} value={p[0]} aria-label={label ?? w.run} />
            <small>{w.progress(p[0], p[1])}</small>
          </>
        )}
        <small class={busy.value ? "visually-hidden" : undefined} role="status">
          {busy.value ? spoken(p) : stopped.value && ended(stopped.value.at)}
        </small>
      </div>
      <Problem error={problem.value} />
    </div>
  );
}

const ended = (at: [number, number] | null) => (at ? words.value.cancelledAfter(...at) : words.value.cancelled);

/** What is read out: not each step, but each quarter. */
function spoken(p: [number, number] | null): string {
  const quarters = p && p[1] > 0 ? Math.floor((4 * p[0]) / p[1]) : 0;
  return quarters === 0 ? words.value.running : `${25 * quarters} %`;
}

function useShortcut(root: { current: HTMLElement | null }) {
  useEffect(() => {
    const panel = root.current?.closest('[role="tabpanel"]');
    const press = (e: Event) => {
      const { key, ctrlKey, metaKey } = e as KeyboardEvent;
      if (key !== "Enter" || !(ctrlKey || metaKey) || panel?.querySelector(".run") !== root.current) return;
      e.preventDefault();
      root.current?.querySelector<HTMLButtonElement>(".primary")?.click();
    };
    panel?.addEventListener("keydown", press);
    return () => panel?.removeEventListener("keydown", press);
  }, [root]);
}
