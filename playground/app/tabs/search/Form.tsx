import { can } from "../../api/calls";
import type { Model } from "../../api/types";
import { Field } from "../../parts/Field";
import { ModelSelect } from "../../parts/ModelSelect";
import { NumberField } from "../../parts/NumberField";
import { TextsInput } from "../../parts/TextsInput";
import { models } from "../../shell/models";
import { words } from "./words";

export interface Settings {
  embedder: string;
  reranker: string;
  /** How many of the nearest documents are reranked. */
  k: number;
  /** null: nothing was written yet, and there are examples in the page's language. */
  documents: string | null;
  query: string | null;
}

interface Props {
  settings: Settings;
  /** The most candidates that there can be. */
  most: number;
  onChange: (change: Partial<Settings>) => void;
  onEnter: () => void;
}

/** What to search in, for what, and with which models. */
export function Form({ settings, most, onChange, onEnter }: Props) {
  const w = words.value;
  const { embedder, reranker, k, documents, query } = settings;
  return (
    <>
      <TextsInput label={w.documents} value={documents ?? ""} onChange={(to) => onChange({ documents: to })} />
      <Field label={w.query}>
        <input
          type="search"
          value={query ?? ""}
          onInput={(e) => onChange({ query: e.currentTarget.value })}
          onKeyDown={(e) => {
            // Enter also ends a syllable in Korean, which is no order to search.
            if (e.key === "Enter" && !e.isComposing) onEnter();
          }}
        />
      </Field>
      <div class="columns">
        <ModelSelect task="embed" label={w.embedder} value={embedder} onChange={(id) => onChange({ embedder: id })} />
        <Reranker value={reranker} onChange={(id) => onChange({ reranker: id })} />
        <NumberField label={w.k} hint={w.kHint(most)} min={1} max={most} value={Math.min(k, most)} onChange={(n) => onChange({ k: n })} />
      </div>
      {embedder !== "" && embedder === reranker && models.value.find((m) => m.id === reranker)?.score_kind === "cosine" && (
        <p class="notice">{w.alike}</p>
      )}
    </>
  );
}

/**
 * The choice of the reranker. At the start it is one that reads query and document together, where there is
 * one: a model that embeds would only repeat the order of retrieval, or nearly so.
 */
function Reranker({ value, onChange }: { value: string; onChange: (id: string) => void }) {
  const known = models.value.length > 0;
  // The list is not known yet when ModelSelect is first drawn; what it then chooses by itself is not taken,
  // and it begins anew with the list.
  return (
    <ModelSelect
      key={String(known)}
      task="rerank"
      label={words.value.reranker}
      value={value}
      onChange={(id) => known && onChange(id)}
      preset={firstCrossEncoder(models.value)}
    />
  );
}

/** Its place among the rerankers that are ready; 0: there is none. */
export const firstCrossEncoder = (list: Model[]) =>
  Math.max(
    0,
    list.filter((m) => can(m, "rerank") && m.state === "ready").findIndex((m) => !can(m, "embed")),
  );
