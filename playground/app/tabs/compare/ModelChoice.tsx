import { can } from "../../api/calls";
import type { Model } from "../../api/types";
import { Check } from "../../parts/Check";
import { Problem } from "../../parts/Problem";
import { stateName } from "../../parts/words";
import { models, modelsError } from "../../shell/models";
import { limits } from "./compare";
import { words } from "./words";

const embedders = (all: Model[]) => all.filter((m) => can(m, "embed"));

/** What is compared: of what was picked that which can still be used; where nothing was picked, the first that are ready. */
export function chosenOf(all: Model[], picked: string[] | null): string[] {
  const usable = embedders(all);
  if (picked) return picked.filter((id) => usable.some((m) => m.id === id));
  const ready = usable.filter((m) => m.state === "ready");
  return ready.slice(0, limits.models.min).map((m) => m.id);
}

interface Props {
  chosen: string[];
  onChange: (ids: string[]) => void;
}

/** A box for each model that embeds. Where as many are chosen as can be compared, the others wait. */
export function ModelChoice({ chosen, onChange }: Props) {
  const w = words.value;
  const usable = embedders(models.value);
  const full = chosen.length >= limits.models.max && usable.length > chosen.length;
  const toggle = (id: string, on: boolean) =>
    onChange(usable.map((m) => m.id).filter((other) => (other === id ? on : chosen.includes(other))));
  return (
    <fieldset class="choices">
      <legend>{w.models}</legend>
      {usable.map((m) => (
        <Check
          key={m.id}
          label={m.state === "ready" ? m.id : `${m.id} (${stateName(m.state)})`}
          checked={chosen.includes(m.id)}
          disabled={full && !chosen.includes(m.id)}
          onChange={(on) => toggle(m.id, on)}
        />
      ))}
      <Problem error={modelsError.value} />
      <small role="status">{hint(usable.length, chosen.length, full)}</small>
    </fieldset>
  );
}

function hint(usable: number, chosen: number, full: boolean): string {
  const w = words.value;
  if (usable === 0) return modelsError.value ? "" : w.noModels;
  if (full) return w.fullModels;
  return chosen < limits.models.min ? w.fewModels : "";
}
