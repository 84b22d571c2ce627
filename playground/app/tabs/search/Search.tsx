import { useSignal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { type Report, Run } from "../../parts/Run";
import { Stale } from "../../parts/Stale";
import { lines } from "../../texts/read";
import { Form, type Settings } from "./Form";
import { type Outcome, Results } from "./Results";
import { type Asked, mostCandidates, Retriever, reorder } from "./retrieval";
import "./search.css";
import { verdict } from "./Changes";
import { words } from "./words";

/** Retrieval by embeddings, then reranking, and what the second step changed. */
export function Search() {
  const w = words.value;
  const settings = useSignal<Settings>({ embedder: "", reranker: "", k: 10, documents: null, query: null });
  const outcome = useSignal<Outcome | null>(null);
  const retriever = useMemo(() => new Retriever(), []);
  const frame = useRef<HTMLDivElement>(null);

  const { embedder, reranker, k } = settings.value;
  const written = settings.value.documents ?? w.exampleDocuments;
  const query = settings.value.query ?? w.exampleQuery;
  const documents = useMemo(() => lines(written), [written]);
  const most = Math.max(1, Math.min(mostCandidates, documents.length));
  const asked: Asked = { query: query.trim(), documents, embedder, reranker, k: Math.min(k, most) };

  const work = async (signal: AbortSignal, report: Report) => {
    outcome.value = null;
    const found = await retriever.find(asked, signal, report);
    outcome.value = { found, reranked: null };
    outcome.value = { found, reranked: await reorder(found, signal) };
  };
  const shown = outcome.value;
  const results = useMemo(() => shown && <Results {...shown} />, [shown]);
  return (
    <>
      <p class="muted">{w.intro}</p>
      <div class="card">
        <Form
          settings={{ ...settings.value, documents: written, query }}
          most={most}
          onChange={(change) => {
            // A choice that ModelSelect makes by itself must not have it follow the form.
            settings.value = { ...settings.peek(), ...change };
          }}
          onEnter={() => frame.current?.querySelector("button")?.click()}
        />
        <div ref={frame}>
          <Run work={work} label={w.search} disabled={!embedder || !reranker || !asked.query || documents.length === 0} />
        </div>
        <Stale when={shown !== null && differs(shown.found.asked, asked)} />
      </div>
      <p class="visually-hidden" role="status">
        {shown?.reranked && verdict(shown.reranked.moves)}
      </p>
      {results}
    </>
  );
}

const differs = (a: Asked, b: Asked) =>
  a.query !== b.query || a.documents !== b.documents || a.embedder !== b.embedder || a.reranker !== b.reranker || a.k !== b.k;
