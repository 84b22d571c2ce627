import { useMemo, useState } from "preact/hooks";
import { Heatmap } from "../../charts/Heatmap";
import { number } from "../../i18n/language";
import { math } from "../../math";
import { Field } from "../../parts/Field";
import { useLater } from "./later";
import { bySimilarityTo, firstRows } from "./order";
import type { Result } from "./result";
import { TextPicker } from "./TextPicker";
import { Waiting } from "./Waiting";
import { words } from "./words";

/** The heat map has a cell for each pair; of so many texts, cells can still be told apart. */
export const mapped = 200;

type Order = "entered" | "clustered" | "nearness";

interface Similarities {
  /** mapped×mapped at most, row-major. */
  matrix: Float32Array;
  /** The order of the clustering's leaves. */
  leaves: number[];
}

async function similarities({ batch }: Result): Promise<Similarities> {
  const first = firstRows(batch, mapped);
  const matrix = await math.cosine(first);
  return { matrix, leaves: await math.cluster(matrix, first.rows) };
}

/** The cosine similarity of each pair of the first texts, in an order of choice. */
export function Similarity({ result }: { result: Result }) {
  const w = words.value;
  const { texts } = result;
  const later = useLater(() => similarities(result), [result]);
  const shown = useMemo(() => texts.slice(0, mapped), [texts]);
  return (
    <section class="card" aria-label={w.similarity}>
      <h2>{w.similarity}</h2>
      {texts.length > mapped && <p class="notice">{w.firstOnly(number(mapped), number(texts.length))}</p>}
      {texts.length < 2 ? <p>{w.needsTwo}</p> : <Waiting for={later}>{(value) => <Ordered texts={shown} {...value} />}</Waiting>}
    </section>
  );
}

function Ordered({ texts, matrix, leaves }: Similarities & { texts: string[] }) {
  const w = words.value;
  const [by, setBy] = useState<Order>("entered");
  const [to, setTo] = useState(0);
  const order = useMemo(() => {
    if (by === "entered") return undefined;
    return by === "clustered" ? leaves : bySimilarityTo(matrix, texts.length, to);
  }, [by, to, matrix, leaves, texts]);
  return (
    <>
      <Field label={w.order}>
        <select value={by} onChange={(e) => setBy(e.currentTarget.value as Order)}>
          <option value="entered">{w.entered}</option>
          <option value="clustered">{w.clustered}</option>
          <option value="nearness">{w.nearness}</option>
        </select>
      </Field>
      {by === "nearness" && <TextPicker label={w.similarTo} texts={texts} value={to} onChange={setTo} />}
      <Heatmap title={w.pairs} labels={texts} matrix={matrix} n={texts.length} order={order} />
    </>
  );
}
