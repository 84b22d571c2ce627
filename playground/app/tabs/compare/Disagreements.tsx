import { useSignal } from "@preact/signals";
import { fixed, number } from "../../i18n/language";
import type { Disagreement } from "../../math/agreement";
import { pairsOf } from "../../math/pairs";
import { DataTable, type Row } from "../../parts/DataTable";
import { Download } from "../../parts/Download";
import { Field } from "../../parts/Field";
import type { Agreement, Side } from "./compare";
import { pairsCSV } from "./pairs";
import { words } from "./words";
import "./compare.css";

interface Props {
  texts: string[];
  sides: Side[];
  agreements: Agreement[];
}

/** The pairs of texts that two models rank most differently, with what either makes of them. */
export function Disagreements({ texts, sides, agreements }: Props) {
  const w = words.value;
  const chosen = useSignal(0);
  const shown = agreements[chosen.value] ?? agreements[0];
  if (!shown) return null;
  const a = shown.a.model;
  const b = shown.b.model;
  const columns = [
    { key: "i", name: w.textOne, sortable: true },
    { key: "j", name: w.textTwo, sortable: true },
    { key: "a", name: w.cosineOf("A"), numeric: true, sortable: true },
    { key: "b", name: w.cosineOf("B"), numeric: true, sortable: true },
    { key: "rankA", name: w.rankOf("A"), numeric: true, sortable: true },
    { key: "rankB", name: w.rankOf("B"), numeric: true, sortable: true },
    { key: "apart", name: w.apart, numeric: true, sortable: true },
  ];
  return (
    <section class="card">
      <h2>{w.disagreements}</h2>
      {agreements.length > 1 && (
        <Field label={w.which}>
          <select
            value={agreements.indexOf(shown)}
            onChange={(e) => {
              chosen.value = Number(e.currentTarget.value);
            }}
          >
            {agreements.map((of, k) => (
              <option key={k} value={k}>
                {w.pair(of.a.model, of.b.model)}
              </option>
            ))}
          </select>
        </Field>
      )}
      <p class="muted text">{w.disagreementsHint(a, b, pairsOf(texts.length))}</p>
      <DataTable caption={w.disagreementsTable} columns={columns} rows={shown.disagreements.map((of) => rowOf(of, texts))} />
      <div class="row">
        <Download name="comparison.csv" type="text/csv" content={() => pairsCSV(texts, sides)}>
          {w.csv}
        </Download>
      </div>
    </section>
  );
}

function rowOf({ i, j, a, b, rankA, rankB }: Disagreement, texts: string[]): Row {
  const apart = Math.abs(rankA - rankB);
  const text = (at: number) => <span class="text compare-name">{texts[at]}</span>;
  return {
    i: text(i),
    j: text(j),
    a: fixed(a, 3),
    b: fixed(b, 3),
    // Pairs that are equally similar share the mean of their ranks.
    rankA: number(rankA, 1),
    rankB: number(rankB, 1),
    apart: number(apart, 1),
    sortBy: { i: texts[i] ?? "", j: texts[j] ?? "", a, b, rankA, rankB, apart },
  };
}
