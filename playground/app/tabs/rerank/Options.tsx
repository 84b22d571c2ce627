import { number } from "../../i18n/language";
import { Check } from "../../parts/Check";
import { ModelSelect } from "../../parts/ModelSelect";
import { NumberField } from "../../parts/NumberField";
import type { Form } from "./form";
import { words } from "./words";

/** Which rerankers are asked, and for what. */
export function Options({ form }: { form: Form }) {
  const w = words.value;
  const count = form.question.value.documents.length;
  return (
    <>
      <Rerankers form={form} />
      <div class="form">
        <NumberField
          optional
          label={w.topN}
          hint={w.topNHint}
          min={1}
          max={1_000_000}
          placeholder={count > 0 ? number(count) : ""}
          value={form.topN.value}
          onChange={(to) => {
            form.topN.value = to;
          }}
        />
        <div>
          <Check
            label={w.raw}
            checked={form.rawScores.value}
            onChange={(to) => {
              form.rawScores.value = to;
            }}
          />
          <small>{w.rawHint}</small>
        </div>
      </div>
    </>
  );
}

function Rerankers({ form }: { form: Form }) {
  const w = words.value;
  const two = form.two.value;
  return (
    <>
      <div class="columns">
        <ModelSelect
          task="rerank"
          label={two ? w.first : w.reranker}
          value={form.first.value}
          onChange={(id) => {
            form.first.value = id;
          }}
        />
        {two && (
          <ModelSelect
            task="rerank"
            label={w.second}
            preset={1}
            value={form.second.value}
            onChange={(id) => {
              form.second.value = id;
            }}
          />
        )}
      </div>
      <div>
        <Check
          label={w.compare}
          checked={two}
          onChange={(to) => {
            form.two.value = to;
          }}
        />
        {two && <small>{w.inTurn}</small>}
      </div>
    </>
  );
}
