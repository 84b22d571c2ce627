import { useLayoutEffect, useRef } from "preact/hooks";
import { words } from "./words";

interface Props {
  /** How many are shown, and how many there are. */
  shown: number;
  total: number;
  /** How many more are shown at a time. */
  step: number;
  onMore: () => void;
}

/** Shows more of a long list. When all is shown, the button goes, and the focus is on what says so instead of nowhere. */
export function More({ shown, total, step, onMore }: Props) {
  const w = words.value;
  const told = useRef<HTMLElement>(null);
  const pressed = useRef(false);
  const left = total - shown;
  useLayoutEffect(() => {
    if (pressed.current && left <= 0) told.current?.focus();
    pressed.current = false;
  }, [shown, left]);
  if (total <= step) return null;
  return (
    <div class="row">
      <small ref={told} role="status" tabIndex={-1}>
        {w.shown(Math.min(shown, total), total)}
      </small>
      {left > 0 && (
        <button
          type="button"
          onClick={() => {
            pressed.current = true;
            onMore();
          }}
        >
          {w.showMore(Math.min(step, left))}
        </button>
      )}
    </div>
  );
}
