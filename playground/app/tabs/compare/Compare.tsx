import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { type Report, Run } from "../../parts/Run";
import { Snippets } from "../../parts/Snippets";
import { Stale } from "../../parts/Stale";
import { TextsInput } from "../../parts/TextsInput";
import { models } from "../../shell/models";
import { lines } from "../../texts/read";
import { type Comparison, compare, limits } from "./compare";
import { chosenOf, ModelChoice } from "./ModelChoice";
import { Result } from "./Result";
import { examples, words } from "./words";

/** What a run is asked for; its result stays of that, whatever the form holds by then. */
interface Asked {
  /** The models' ids, one a line. */
  chosen: string;
  written: string;
}

/** Several models on the same texts: what each finds similar, how far they agree, and what each costs. */
export function Compare() {
  const w = words.value;
  const picked = useSignal<string[] | null>(null);
  const entered = useSignal<string | null>(null);
  const found = useSignal<{ asked: Asked; comparison: Comparison } | null>(null);
  const chosen = chosenOf(models.value, picked.value);
  const written = entered.value ?? examples.value.texts;
  const all = useMemo(() => lines(written), [written]);
  const texts = useMemo(() => all.slice(0, limits.texts.max), [all]);
  const asked: Asked = { chosen: chosen.join("\n"), written };
  const work = async (signal: AbortSignal, report: Report) => {
    found.value = null;
    found.value = { asked, comparison: await compare(chosen, texts, signal, report) };
  };
  const result = found.value;
  // What was found need not be drawn again with each letter that is typed.
  const outcome = useMemo(() => result && <Result comparison={result.comparison} />, [result]);
  const first = chosen[0] ?? "";
  const body = useMemo(() => ({ model: first, input: texts }), [first, texts]);
  return (
    <div class="stack">
      <p class="muted">{w.intro}</p>
      <div class="card">
        <ModelChoice
          chosen={chosen}
          onChange={(ids) => {
            picked.value = ids;
          }}
        />
        <TextsInput
          label={w.texts}
          value={written}
          onChange={(value) => {
            entered.value = value;
          }}
        />
        <small role="status">{told(all.length)}</small>
        <Run label={w.run} work={work} disabled={chosen.length < limits.models.min || texts.length < limits.texts.min} />
        <small role="status">{result && w.done(result.comparison.sides.length, result.comparison.texts.length)}</small>
        <Stale when={result !== null && (result.asked.chosen !== asked.chosen || result.asked.written !== written)} />
      </div>
      {outcome}
      <Snippets path="/v1/embeddings" body={body} note={w.snippets} />
    </div>
  );
}

/** What is to be said of so many texts; null: nothing. */
function told(texts: number): string | null {
  if (texts < limits.texts.min) return words.value.fewTexts;
  return texts > limits.texts.max ? words.value.cut(limits.texts.max, texts) : null;
}
