import { type Scale, scaleOf } from "../../parts/scores";
import { Agreement } from "./Agreement";
import type { Outcome, Question } from "./ask";
import { Ranking } from "./Ranking";
import { words } from "./words";

/** What was asked of one or two rerankers, and how it went. */
export interface Asked {
  question: Question;
  outcomes: Outcome[];
}

/** The lists side by side, and how far they agree. */
export function Results({ question, outcomes }: Asked) {
  const w = words.value;
  const names = outcomes.length > 1 ? [w.first, w.second] : [w.reranker];
  const lists = outcomes.map((o) => (o.state === "answered" ? o.answer.data.results : undefined));
  const scales = scalesOf(outcomes);
  const [a, b] = lists;
  const other = (i: number) => {
    const results = lists[1 - i];
    return results && { name: names[1 - i] as string, results };
  };
  return (
    <section class="stack" aria-label={w.results}>
      <p class="text">{w.resultsFor(question.query)}</p>
      {a && b && <Agreement a={a} b={b} asked={question.documents.length} />}
      <div class={outcomes.length > 1 ? "columns two" : "stack"}>
        {outcomes.map((outcome, i) => (
          <Ranking
            key={names[i]}
            outcome={outcome}
            name={names[i] as string}
            documents={question.documents}
            rawScores={question.rawScores}
            scale={scales[i] as Scale}
            other={other(i)}
          />
        ))}
      </div>
    </section>
  );
}

/** The scales of the lists. Lists with scores of one kind share theirs, so that their bars compare. */
function scalesOf(outcomes: Outcome[]): Scale[] {
  const found = outcomes.map((o) => {
    if (o.state !== "answered") return { kind: undefined, scores: [] };
    return { kind: o.answer.data.meta?.score_kind, scores: o.answer.data.results.map((r) => r.relevance_score) };
  });
  return found.map(({ kind, scores }) => {
    const same = found.filter((f) => f.kind !== undefined && f.kind === kind);
    return scaleOf(kind, same.length ? same.flatMap((f) => f.scores) : scores);
  });
}
