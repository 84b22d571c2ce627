import { useId } from "preact/hooks";
import type { Answer } from "../../api/http";
import type { Ranked } from "../../api/types";
import { fixed, milliseconds, number } from "../../i18n/language";
import { Facts } from "../../parts/Facts";
import { Problem } from "../../parts/Problem";
import { digitsOf, kindName, type Scale } from "../../parts/scores";
import { words as common } from "../../parts/words";
import type { Outcome } from "./ask";
import { RankedList } from "./RankedList";
import { type Results, type Row, rowsOf } from "./ranking";
import { words } from "./words";

interface Props {
  outcome: Outcome;
  /** What the reranker is called on the page. */
  name: string;
  documents: string[];
  rawScores: boolean;
  scale: Scale;
  /** The list that this one is held against, and its reranker's name; undefined: there is none. */
  other: { name: string; results: Results } | undefined;
}

/** One reranker's answer, or how far it is, or why there is none. */
export function Ranking({ outcome, name, ...rest }: Props) {
  const id = useId();
  const w = words.value;
  const { state, model } = outcome;
  return (
    <section class="card" aria-labelledby={id} aria-busy={state === "asked" || state === "waiting"}>
      <h2 id={id} class="text">
        {name}: {model}
      </h2>
      <p role="status" class="muted">
        <span class="visually-hidden">{model}: </span>
        {state === "answered" ? w.done(outcome.answer.data.results.length, rest.documents.length) : w[state]}
      </p>
      {state === "failed" && <Problem error={outcome.error} />}
      {state === "answered" && <Answered model={model} answer={outcome.answer} {...rest} />}
    </section>
  );
}

type AnsweredProps = Omit<Props, "outcome" | "name"> & { model: string; answer: Answer<Ranked> };

function Answered({ model, answer, documents, rawScores, scale, other }: AnsweredProps) {
  const rows = rowsOf(answer.data.results, documents, other?.results);
  return (
    <>
      <Facts facts={factsOf(model, answer)} />
      <RankedList label={words.value.list(model)} rows={rows} scale={scale} other={other?.name} />
      <small>{notes(rows, scale, rawScores && answer.data.meta?.score_kind === "cosine").join(" ")}</small>
    </>
  );
}

/** What has to be known to read the list. */
function notes(rows: Row[], { min, max }: Scale, rawCosine: boolean): string[] {
  const w = words.value;
  const bound = (n: number) => fixed(n, Number.isInteger(n) ? 0 : digitsOf(n));
  const all = [w.bars(bound(min), bound(max))];
  if (rows.some((row) => row.tied)) all.push(w.tiedNote);
  if (rawCosine) all.push(w.rawCosine);
  return all;
}

function factsOf(model: string, answer: Answer<Ranked>): [string, string | undefined][] {
  const w = words.value;
  const c = common.value;
  const { data, timing, took } = answer;
  const time = (ms: number | undefined) => (ms === undefined ? undefined : milliseconds(ms));
  return [
    [w.answeredBy, answer.model && answer.model !== model ? answer.model : undefined],
    [w.kind, kindName(data.meta?.score_kind)],
    [c.latency, milliseconds(took)],
    [c.tokenize, time(timing.tokenize)],
    [c.queue, time(timing.queue)],
    [c.inference, time(timing.run)],
    [c.tokens, data.usage && number(data.usage.total_tokens)],
    [c.truncated, answer.truncated ? number(answer.truncated) : undefined],
    [c.backend, answer.backend || undefined],
  ];
}
