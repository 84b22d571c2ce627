import { milliseconds, number } from "../../i18n/language";
import { DataTable, type Row } from "../../parts/DataTable";
import { words as common } from "../../parts/words";
import type { Side } from "./compare";
import { words } from "./words";
import "./compare.css";

/** What each model needed for the texts, so many of them. */
export function Costs({ sides, texts }: { sides: Side[]; texts: number }) {
  const w = words.value;
  const c = common.value;
  const columns = [
    { key: "model", name: c.model, sortable: true },
    { key: "dimensions", name: c.dimensions, numeric: true, sortable: true },
    { key: "took", name: c.latency, numeric: true, sortable: true },
    { key: "perText", name: w.perText, numeric: true },
    { key: "tokenize", name: c.tokenize, numeric: true, sortable: true },
    { key: "queue", name: c.queue, numeric: true, sortable: true },
    { key: "run", name: c.inference, numeric: true, sortable: true },
    { key: "tokens", name: c.tokens, numeric: true, sortable: true },
    { key: "truncated", name: c.truncated, numeric: true, sortable: true },
    { key: "backend", name: c.backend, sortable: true },
  ];
  return (
    <section class="card">
      <h2>{w.costs}</h2>
      <p class="muted">{w.costsHint}</p>
      <DataTable caption={w.costsTable} columns={columns} rows={sides.map((side) => rowOf(side, texts))} />
    </section>
  );
}

function rowOf({ model, batch }: Side, texts: number): Row {
  const { none } = words.value;
  const { cols, took, timing, tokens, truncated, backend } = batch;
  const time = (ms: number | undefined) => (ms === undefined ? none : milliseconds(ms));
  return {
    model: <span class="compare-name">{model}</span>,
    dimensions: number(cols),
    took: milliseconds(took),
    perText: milliseconds(took / texts),
    tokenize: time(timing.tokenize),
    queue: time(timing.queue),
    run: time(timing.run),
    tokens: number(tokens),
    truncated: number(truncated),
    backend: backend ? <span class="badge">{backend}</span> : none,
    // A time that the server did not tell is sorted below all.
    sortBy: {
      model,
      backend,
      dimensions: cols,
      took,
      tokenize: timing.tokenize ?? -1,
      queue: timing.queue ?? -1,
      run: timing.run ?? -1,
      tokens,
      truncated,
    },
  };
}
