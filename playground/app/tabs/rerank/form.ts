// What the tab's fields hold.
import { computed, signal } from "@preact/signals";
import type { Question } from "./ask";
import { documentsOf, type Separation } from "./documents";
import { exampleDocuments, exampleQuery } from "./examples";

export type Form = ReturnType<typeof createForm>;

/** The fields as they are before anything is written. */
export function createForm() {
  // null: nothing was written, and the example of the page's language stands there.
  const query = signal<string | null>(null);
  const documents = signal<string | null>(null);
  const separation = signal<Separation>("line");
  const topN = signal<number | undefined>(undefined);
  const rawScores = signal(false);
  const first = signal("");
  const second = signal("");
  /** Whether the second reranker is asked, too. */
  const two = signal(false);

  const written = computed(() => documents.value ?? exampleDocuments(separation.value));
  const question = computed<Question>(() => ({
    query: query.value ?? exampleQuery(),
    documents: documentsOf(written.value, separation.value),
    topN: topN.value,
    rawScores: rawScores.value,
  }));
  const models = computed(() => (two.value ? [first.value, second.value] : [first.value]));
  /** Whether there is a query and a document to ask about. */
  const enough = computed(() => question.value.query.trim() !== "" && question.value.documents.length > 0);
  return { query, documents, separation, topN, rawScores, first, second, two, written, question, models, enough };
}
