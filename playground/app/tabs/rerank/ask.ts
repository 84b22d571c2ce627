// Asking one reranker after the other.
import { rerank } from "../../api/calls";
import type { Answer } from "../../api/http";
import type { Ranked } from "../../api/types";

/** What every reranker is asked. */
export interface Question {
  query: string;
  documents: string[];
  /** How many documents to return; undefined: all. */
  topN?: number | undefined;
  rawScores: boolean;
}

/** The request that askEach sends to a model at /v1/rerank. */
export const bodyOf = (model: string, { query, documents, topN, rawScores }: Question) => ({
  model,
  query,
  documents,
  ...(topN && { top_n: topN }),
  ...(rawScores && { raw_scores: true }),
});

/** How it goes, or went, with one reranker. */
export type Outcome = { model: string } & (
  | { state: "waiting" | "asked" | "cancelled" }
  | { state: "answered"; answer: Answer<Ranked> }
  | { state: "failed"; error: unknown }
);

/**
 * Asks the models in turn, so that none takes the other's processor and their latencies can be held
 * against each other. Reports the outcomes of all, in the order of the models, whenever one changes. A model
 * that fails does not stop the next; cancelling stops all, keeps what was answered, and is thrown.
 */
export async function askEach(
  models: string[],
  question: Question,
  signal: AbortSignal,
  report: (outcomes: Outcome[]) => void,
): Promise<void> {
  const outcomes: Outcome[] = models.map((model) => ({ model, state: "waiting" }));
  const put = (i: number, outcome: Outcome) => {
    outcomes[i] = outcome;
    report([...outcomes]);
  };
  for (const [i, model] of models.entries()) {
    put(i, { model, state: "asked" });
    try {
      put(i, { model, state: "answered", answer: await askOne(model, question, signal) });
    } catch (error) {
      if (!signal.aborted) {
        put(i, { model, state: "failed", error });
        continue;
      }
      report(outcomes.map((o, k) => (k < i ? o : { model: o.model, state: "cancelled" })));
      throw error;
    }
  }
}

const askOne = (model: string, { query, documents, topN, rawScores }: Question, signal: AbortSignal) =>
  rerank(model, query, documents, { topN, rawScores, signal });
