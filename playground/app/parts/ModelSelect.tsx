import { useComputed, useSignalEffect } from "@preact/signals";
import { useId } from "preact/hooks";
import { can } from "../api/calls";
import type { Task } from "../api/types";
import { models, modelsError, refreshModels, unknown } from "../shell/models";
import { Problem } from "./Problem";
import { stateName, words } from "./words";

interface Props {
  task: Task;
  value: string;
  onChange: (id: string) => void;
  label?: string | undefined;
  /** Which of the usable ones is chosen at the start; undefined: the first that is ready. */
  preset?: number | undefined;
}

/** Chooses one of the models for a task. The first that is ready is chosen at the start. */
export function ModelSelect({ task, value, onChange, label, preset = 0 }: Props) {
  const id = useId();
  const w = words.value;
  const usable = useComputed(() => models.value.filter((m) => can(m, task)));
  useSignalEffect(() => {
    if (usable.value.some((m) => m.id === value)) return;
    const ready = usable.value.filter((m) => m.state === "ready");
    const first = ready[Math.min(preset, ready.length - 1)] ?? usable.value[0];
    if (first) onChange(first.id);
  });
  return (
    <div class="field">
      <label for={id}>{label ?? w.model}</label>
      <select id={id} value={value} disabled={usable.value.length === 0} onChange={(e) => onChange(e.currentTarget.value)}>
        {usable.value.length === 0 && <option value="">{w.choose}</option>}
        {usable.value.map((m) => (
          <option key={m.id} value={m.id}>
            {m.state === "ready" ? m.id : `${m.id} (${stateName(m.state)})`}
          </option>
        ))}
      </select>
      {modelsError.value ? (
        <>
          <Problem error={modelsError.value} />
          <button type="button" class="again" onClick={refreshModels}>
            {w.again}
          </button>
        </>
      ) : (
        usable.value.length === 0 && models.value !== unknown && <small>{w.noModels}</small>
      )}
    </div>
  );
}
