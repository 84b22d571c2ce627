import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { Heatmap } from "../../charts/Heatmap";
import { Field } from "../../parts/Field";
import type { Side } from "./compare";
import { percentiles } from "./ranks";
import { words } from "./words";

type Colour = "cosine" | "percentile";

interface Props {
  texts: string[];
  sides: Side[];
}

/** The similarity matrices side by side, on one scale and in one order. */
export function Maps({ texts, sides }: Props) {
  const w = words.value;
  const order = useSignal("");
  const colour = useSignal<Colour>("cosine");
  const ranked = colour.value === "percentile";
  const matrices = useMemo(
    () => sides.map(({ similarity }) => (ranked ? percentiles(similarity, texts.length) : similarity)),
    [sides, texts, ranked],
  );
  const low = useMemo(() => (ranked ? 0 : lowest(matrices)), [matrices, ranked]);
  // The model of a former comparison may not be among these.
  const by = sides.find(({ model }) => model === order.value);
  return (
    <section class="card">
      <h2>{w.similarity}</h2>
      <p class="muted">{w.similarityHint}</p>
      <div class="form">
        <Field label={w.order}>
          <select
            value={by?.model ?? ""}
            onChange={(e) => {
              order.value = e.currentTarget.value;
            }}
          >
            <option value="">{w.entered}</option>
            {sides.map(({ model }) => (
              <option key={model} value={model}>
                {w.clustered(model)}
              </option>
            ))}
          </select>
        </Field>
        <Field label={w.colours}>
          <select
            value={colour.value}
            onChange={(e) => {
              colour.value = e.currentTarget.value as Colour;
            }}
          >
            <option value="cosine">{w.cosine}</option>
            <option value="percentile">{w.percentile}</option>
          </select>
        </Field>
      </div>
      {ranked && <p class="muted">{w.percentileHint}</p>}
      <div class="columns wide">
        {sides.map(({ model }, k) => (
          <Heatmap
            key={model}
            title={`${model}: ${ranked ? w.percentile : w.cosine}`}
            labels={texts}
            matrix={matrices[k] as Float32Array}
            n={texts.length}
            order={by?.clustered}
            min={low}
            max={1}
          />
        ))}
      </div>
    </section>
  );
}

/** The lower end of a scale that holds all the matrices: their least value, down to the next tenth. */
function lowest(matrices: Float32Array[]): number {
  const least = matrices.map((matrix) => matrix.reduce((a, b) => Math.min(a, b), 1));
  return Math.floor(Math.min(...least) * 10) / 10;
}
