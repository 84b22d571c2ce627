import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { embedAll } from "../../api/batch";
import { number } from "../../i18n/language";
import { ModelSelect } from "../../parts/ModelSelect";
import { NumberField } from "../../parts/NumberField";
import { type Report, Run } from "../../parts/Run";
import { Snippets } from "../../parts/Snippets";
import { TextsInput } from "../../parts/TextsInput";
import { models } from "../../shell/models";
import { lines } from "../../texts/read";
import { Outcome } from "./Outcome";
import type { Result } from "./result";
import { words } from "./words";
import "./embed.css";

/** What a run is asked for; its result stays of that, whatever the fields hold by then. */
interface Asked {
  model: string;
  written: string;
  /** undefined: the model's own. */
  dimensions: number | undefined;
}

/** More than models have; for those whose dimensions the server does not tell. */
const mostDimensions = 65_536;

/** Embeds texts with one model, and shows the vectors' similarities. */
export function Embed() {
  const w = words.value;
  const model = useSignal("");
  // null: nothing was written yet, and the examples are shown in the page's language.
  const entered = useSignal<string | null>(null);
  const dimensions = useSignal<number | undefined>(undefined);
  const found = useSignal<(Result & { asked: Asked }) | null>(null);
  const dropped = useSignal<[done: number, total: number] | null>(null);

  const written = entered.value ?? w.examples;
  const texts = useMemo(() => lines(written), [written]);
  const asked: Asked = { model: model.value, written, dimensions: dimensions.value };
  const own = models.value.find((m) => m.id === model.value)?.dimensions;

  const work = async (signal: AbortSignal, report: Report) => {
    let progress: [number, number] = [0, texts.length];
    found.value = dropped.value = null;
    const onProgress = (done: number, total: number) => {
      progress = [done, total];
      report(done, total);
    };
    try {
      const batch = await embedAll(asked.model, texts, { dimensions: asked.dimensions, signal, onProgress });
      found.value = { texts, batch, asked };
    } catch (reason) {
      if (signal.aborted) dropped.value = progress;
      throw reason;
    }
  };

  const result = found.value;
  const cut = dropped.value;
  // What was found need not be drawn again with each letter that is typed.
  const outcome = useMemo(() => result && <Outcome result={result} />, [result]);
  const body = useMemo(() => bodyOf(asked.model, texts, asked.dimensions), [asked.model, texts, asked.dimensions]);
  return (
    <div class="stack">
      <p class="muted">{w.intro}</p>
      <div class="card">
        <div class="columns">
          <ModelSelect
            task="embed"
            value={model.value}
            onChange={(id) => {
              model.value = id;
            }}
          />
          {/* The hint has one line, as what replaces it at a wrong number: Run must not move away from the pointer. */}
          <NumberField
            label={w.dimensions}
            hint={w.dimensionsHint}
            placeholder={own === undefined ? undefined : String(own)}
            min={1}
            max={own ?? mostDimensions}
            optional
            value={dimensions.value}
            onChange={(n) => {
              dimensions.value = n;
            }}
          />
        </div>
        <TextsInput
          label={w.texts}
          value={written}
          onChange={(value) => {
            entered.value = value;
          }}
        />
        <div>
          <Run label={w.run} disabled={!model.value || texts.length === 0} work={work} />
          <div role="status" class="noted">
            {cut && <p class="notice">{w.dropped(number(cut[0]), number(cut[1]))}</p>}
            {result && differs(result.asked, asked) && <p class="notice">{w.changed}</p>}
          </div>
        </div>
      </div>
      {outcome}
      <Snippets path="/v1/embeddings" body={body} />
    </div>
  );
}

const differs = (a: Asked, b: Asked) => a.model !== b.model || a.written !== b.written || a.dimensions !== b.dimensions;

const bodyOf = (model: string, input: string[], dimensions: number | undefined) => ({
  model,
  input,
  ...(dimensions !== undefined && { dimensions }),
});
