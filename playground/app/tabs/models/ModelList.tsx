import { useSignal } from "@preact/signals";
import type { AdminModel, ModelHealth } from "../../api/types";
import { Field } from "../../parts/Field";
import { Actions, Result } from "./Actions";
import { Confirm } from "./Confirm";
import { type Change, type Changes, possible } from "./changes";
import type { Seen } from "./live";
import { ModelCard } from "./ModelCard";
import { words } from "./words";

/** From so many models on there is a field to find one. */
const many = 12;

/** The models, and for admins the buttons that load and unload them. */
export function ModelList({ seen, changes }: { seen: Seen; changes: Changes }) {
  const w = words.value;
  const filter = useSignal("");
  const asked = useSignal<string | null>(null);
  const wanted = filter.value.trim().toLowerCase();
  const searchable = seen.models.length >= many;
  const shown = searchable ? seen.models.filter((m) => m.name.toLowerCase().includes(wanted)) : seen.models;
  const start = (model: string, change: Change) => {
    if (change === "unload") asked.value = model;
    else changes.make(model, change);
  };
  const outcome = changes.outcome.value;
  const actions = (model: ModelHealth | AdminModel) =>
    "aliases" in model ? (
      <>
        <Actions
          model={model.name}
          change={possible(model, seen.upstreams)}
          running={changes.running.value.get(model.name)}
          ask={(change) => start(model.name, change)}
        />
        <Result outcome={outcome?.model === model.name ? outcome : null} />
      </>
    ) : null;
  return (
    <section class="stack" aria-labelledby="models-list">
      <h2 id="models-list">{w.models}</h2>
      {!seen.admin && <small>{w.adminHint}</small>}
      {searchable && (
        <Field label={w.filter}>
          <input type="search" value={filter.value} onInput={(e) => (filter.value = e.currentTarget.value)} />
        </Field>
      )}
      {shown.length === 0 && <p class="muted">{seen.models.length === 0 ? w.noModels : w.noMatch}</p>}
      <div class="columns">
        {shown.map((model) => (
          <ModelCard key={model.name} model={model} past={seen.history.models.get(model.name)} actions={actions(model)} />
        ))}
      </div>
      {asked.value !== null && (
        <Confirm
          model={asked.value}
          answer={(yes) => {
            const model = asked.value;
            asked.value = null;
            if (yes && model !== null) changes.make(model, "unload");
          }}
        />
      )}
    </section>
  );
}
