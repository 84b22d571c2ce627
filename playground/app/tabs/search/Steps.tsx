import { milliseconds, number } from "../../i18n/language";
import { DataTable, type Row } from "../../parts/DataTable";
import { words as common } from "../../parts/words";
import type { Cost, Found, Reranked } from "./retrieval";
import { words } from "./words";

/** What each step of a search has taken. */
export function Steps({ found, reranked }: { found: Found; reranked: Reranked | null }) {
  const w = words.value;
  const { documents, query, nearest, asked, hits } = found;
  const all = asked.documents.length;
  const rows: Row[] = [
    documents ? row(w.embedDocuments, w.batches(all, documents.requests), documents) : { step: w.embedDocuments, work: w.kept(all) },
    row(w.embedQuery, w.one, query),
    { step: w.retrieve, work: w.among(hits.length, all), took: milliseconds(nearest) },
  ];
  if (reranked) rows.push(row(w.rerank, w.batch(hits.length), reranked.cost));
  const total = (documents?.took ?? 0) + query.took + nearest + (reranked?.cost.took ?? 0);
  rows.push({ step: w.total, work: "", took: milliseconds(total) });
  return (
    <div class="card steps">
      <h2>{w.latency}</h2>
      <DataTable
        caption={w.measured}
        columns={[
          { key: "step", name: w.step },
          { key: "work", name: w.work },
          { key: "took", name: w.took, numeric: true },
          { key: "tokenize", name: common.value.tokenize, numeric: true },
          { key: "queue", name: common.value.queue, numeric: true },
          { key: "run", name: common.value.inference, numeric: true },
          { key: "tokens", name: common.value.tokens, numeric: true },
        ]}
        rows={rows}
      />
      <small>{w.timingHint}</small>
    </div>
  );
}

const measured = (ms: number | undefined) => (ms === undefined ? "" : milliseconds(ms));

function row(step: string, work: string, { took, timing, tokens, truncated }: Cost): Row {
  return {
    step,
    work: truncated ? work + words.value.cut(truncated) : work,
    took: milliseconds(took),
    tokenize: measured(timing.tokenize),
    queue: measured(timing.queue),
    run: measured(timing.run),
    tokens: tokens === undefined ? "" : number(tokens),
  };
}
