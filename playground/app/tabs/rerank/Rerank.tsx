import { useSignal } from "@preact/signals";
import { useId, useMemo } from "preact/hooks";
import { Run } from "../../parts/Run";
import { Snippets } from "../../parts/Snippets";
import { Stale } from "../../parts/Stale";
import { askEach, bodyOf } from "./ask";
import { DocumentsInput } from "./DocumentsInput";
import { createForm, type Form } from "./form";
import { Options } from "./Options";
import { type Asked, Results } from "./Results";
import { words } from "./words";

/** Ranks documents by a query, with one reranker or with two side by side. */
export function Rerank() {
  const w = words.value;
  const form = useMemo(createForm, []);
  const asked = useSignal<Asked | null>(null);
  const enough = form.enough.value;
  const body = useMemo(() => bodyOf(form.first.value, form.question.value), [form.first.value, form.question.value]);
  const work = (signal: AbortSignal) => {
    // What is changed while the rerankers are at work is not what they were asked.
    const question = form.question.value;
    return askEach(form.models.value, question, signal, (outcomes) => {
      asked.value = { question, outcomes };
    });
  };
  return (
    <div class="stack">
      <p class="muted">{w.intro}</p>
      <div class="card">
        <Query form={form} />
        <DocumentsInput
          value={form.written.value}
          separation={form.separation.value}
          count={form.question.value.documents.length}
          onChange={(to) => {
            form.documents.value = to;
          }}
          onSeparation={(to) => {
            form.separation.value = to;
          }}
        />
        <Options form={form} />
        <Run work={work} disabled={!enough || form.models.value.includes("")} label={w.rerank} />
        {!enough && <small>{w.needs}</small>}
        <Stale when={asked.value !== null && differs(asked.value, form)} />
      </div>
      {asked.value && <Results {...asked.value} />}
      <Snippets path="/v1/rerank" body={body} note={form.two.value ? w.snippetsB : undefined} />
    </div>
  );
}

/** Whether something else was asked than the form holds now. */
function differs({ question: a, outcomes }: Asked, { question, models }: Form): boolean {
  const b = question.value;
  if (a.query !== b.query || a.topN !== b.topN || a.rawScores !== b.rawScores) return true;
  return (
    !same(a.documents, b.documents) ||
    !same(
      outcomes.map((o) => o.model),
      models.value,
    )
  );
}

const same = (a: string[], b: string[]) => a.length === b.length && a.every((text, i) => text === b[i]);

function Query({ form }: { form: Form }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{words.value.query}</label>
      <textarea
        id={id}
        rows={2}
        value={form.question.value.query}
        onInput={(e) => {
          form.query.value = e.currentTarget.value;
        }}
      />
    </div>
  );
}
