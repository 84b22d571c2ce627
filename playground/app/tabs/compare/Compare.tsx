import { useSignal } from "@preact/signals";
import { type Report, Run } from "../../parts/Run";
import { TextsInput } from "../../parts/TextsInput";
import { models } from "../../shell/models";
import { lines } from "../../texts/read";
import { type Comparison, compare, limits } from "./compare";
import { chosenOf, ModelChoice } from "./ModelChoice";
import { Result } from "./Result";
import { examples, words } from "./words";

/** Several models on the same texts: what each finds similar, how far they agree, and what each costs. */
export function Compare() {
  const w = words.value;
  const picked = useSignal<string[] | null>(null);
  const written = useSignal<string | null>(null);
  const found = useSignal<Comparison | null>(null);
  const chosen = chosenOf(models.value, picked.value);
  const value = written.value ?? examples.value.texts;
  const all = lines(value);
  const texts = all.slice(0, limits.texts.max);
  const work = async (signal: AbortSignal, report: Report) => {
    found.value = await compare(chosen, texts, signal, report);
  };
  return (
    <>
      <section class="card">
        <p class="muted">{w.intro}</p>
        <ModelChoice
          chosen={chosen}
          onChange={(ids) => {
            picked.value = ids;
          }}
        />
        <TextsInput
          label={w.texts}
          value={value}
          onChange={(v) => {
            written.value = v;
          }}
        />
        <small role="status">
          {all.length < limits.texts.min ? w.fewTexts : all.length > limits.texts.max && w.cut(limits.texts.max, all.length)}
        </small>
        <Run label={w.run} work={work} disabled={chosen.length < limits.models.min || texts.length < limits.texts.min} />
        <p class="muted" role="status">
          {found.value && w.done(found.value.sides.length, found.value.texts.length)}
        </p>
      </section>
      {found.value && <Result comparison={found.value} />}
    </>
  );
}
