import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { embedAll } from "../../api/batch";
import { ModelSelect } from "../../parts/ModelSelect";
import { NumberField } from "../../parts/NumberField";
import { type Report, Run } from "../../parts/Run";
import { Snippets } from "../../parts/Snippets";
import { Stale } from "../../parts/Stale";
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

  const written = entered.value ?? w.examples;
  const texts = useMemo(() => lines(written), [written]);
  const asked: Asked = { model: model.value, written, dimensions: dimensions.value };
  const own = models.value.find((m) => m.id === model.value)?.dimensions;

  const work = async (signal: AbortSignal, report: Report) => {
    found.value = null;
    const batch = await embedAll(asked.model, texts, { dimensions: asked.dimensions, signal, onProgress: report });
    found.value = { texts, batch, asked };
  };

  const result = found.value;
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
        <Run label={w.run} disabled={!model.value || texts.length === 0} work={work} />
        <Stale when={result !== null && differs(result.asked, asked)} />
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
