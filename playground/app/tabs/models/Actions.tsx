import { milliseconds } from "../../i18n/language";
import { Problem } from "../../parts/Problem";
import { stateName } from "../../parts/words";
import type { Change, Outcome } from "./changes";
import { seconds } from "./units";
import { words } from "./words";

interface Props {
  model: string;
  /** What can be done; null: nothing. */
  change: Change | null;
  /** What is being done; undefined: nothing. */
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

const lasting = (ms: number) => (ms < 1000 ? milliseconds(Math.round(ms)) : seconds(ms / 1000));

/** What became of a change, under the button that asked for it. */
export function Result({ outcome }: { outcome: Outcome | null }) {
  return (
    <>
      <div role="status">{outcome?.now && <Done outcome={outcome} now={outcome.now} />}</div>
      {outcome && !outcome.now && <Problem error={outcome.error} />}
    </>
  );
}

/** A model may be asked to load and not be there, as its files are absent. */
function Done({ outcome, now }: { outcome: Outcome; now: NonNullable<Outcome["now"]> }) {
  const w = words.value;
  const took = lasting(outcome.took);
  if (outcome.change === "load" && now.state !== "ready") return <p class="notice">{w.notLoaded(stateName(now.state))}</p>;
  return <p class="notice good">{outcome.change === "load" ? w.loaded(took) : w.unloaded(took)}</p>;
}
