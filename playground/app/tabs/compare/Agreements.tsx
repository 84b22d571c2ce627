import { DataTable, type Row } from "../../parts/DataTable";
import { ScoreBar } from "../../parts/ScoreBar";
import type { Agreement } from "./compare";
import { words } from "./words";
import "./compare.css";

/** How far each two of the models rank the pairs of texts alike. */
export function Agreements({ agreements }: { agreements: Agreement[] }) {
  const w = words.value;
  const columns = [
    { key: "pair", name: w.which },
    { key: "spearman", name: w.spearman, sortable: true },
    { key: "kendall", name: w.kendall, sortable: true },
    { key: "nearest", name: w.nearest, numeric: true, sortable: true },
  ];
  const rows: Row[] = agreements.map(({ a, b, spearman, kendall, nearest }) => ({
    pair: <span class="compare-name">{w.pair(a.model, b.model)}</span>,
    spearman: <Correlation value={spearman} />,
    kendall: <Correlation value={kendall} />,
    nearest: w.share(nearest),
    // What is not defined is sorted below all.
    sortBy: { spearman: defined(spearman) ? spearman : -2, kendall: defined(kendall) ? kendall : -2, nearest },
  }));
  const gaps = agreements.some(({ spearman, kendall }) => !defined(spearman) || !defined(kendall));
  return (
    <section class="card">
      <h2>{w.agreement}</h2>
      <p class="muted">{w.agreementHint}</p>
      <DataTable caption={w.agreementTable} columns={columns} rows={rows} />
      {gaps && <small>{w.undefinedHint}</small>}
    </section>
  );
}

const defined = (correlation: number) => !Number.isNaN(correlation);

function Correlation({ value }: { value: number }) {
  return defined(value) ? <ScoreBar value={value} min={-1} max={1} digits={3} /> : <span>{words.value.none}</span>;
}
