import { Problem } from "../../parts/Problem";
import type { Change, Outcome } from "./changes";
import { seconds } from "./units";
import { words } from "./words";

interface Props {
  model: string;
  /** What can be done; null: nothing. */
  change: Change | null;
  /** What is being done. */
  running: Change | undefined;
  ask: (change: Change) => void;
}

/** The button that loads or unloads a model. */
export function Actions({ model, change, running, ask }: Props) {
  const w = words.value;
  const shown = running ?? change;
  if (!shown) return null;
  const label = running ? (running === "load" ? w.loads : w.unloads) : w[shown];
  const name = shown === "load" ? w.loadModel(model) : w.unloadModel(model);
  return (
    <div class="row end">
      {/* Not disabled while it runs, as that would take the focus away. */}
      <button
        type="button"
        aria-label={running ? `${label} ${model}` : name}
        aria-disabled={running !== undefined}
        onClick={() => !running && ask(shown)}
      >
        {label}
      </button>
    </div>
  );
}

/** What became of a change. */
export function Result({ outcome }: { outcome: Outcome | null }) {
  const w = words.value;
  const done = outcome && outcome.error === null;
  const took = outcome ? seconds(outcome.took / 1000) : "";
  return (
    <>
      <div class="changed" role="status">
        {done && <p class="notice good">{(outcome.change === "load" ? w.loaded : w.unloaded)(outcome.model, took)}</p>}
      </div>
      {outcome && !done && <Problem error={outcome.error} />}
    </>
  );
}
