// What the Embed tab has found, and what it tells about it.
import type { Batch } from "../../api/batch";
import { language, milliseconds, number } from "../../i18n/language";
import { words as common } from "../../parts/words";
import { words } from "./words";

/** The vectors with what they were asked for: row i of the batch is texts[i]. */
export interface Result {
  texts: string[];
  batch: Batch;
}

/** A share of 1, such as 0.421, as a percentage. */
export const percent = (share: number) =>
  new Intl.NumberFormat(language.value, { style: "percent", maximumFractionDigits: 1 }).format(share);

/** The names and values of what was measured. What the server did not say is undefined. */
export function factsOf({ batch, texts }: Result): [name: string, value: string | undefined][] {
  const w = words.value;
  const c = common.value;
  const { tokenize, queue, run } = batch.timing;
  const measured = tokenize !== undefined && queue !== undefined && run !== undefined;
  return [
    [c.model, batch.model || undefined],
    [c.backend, batch.backend || undefined],
    [w.count, number(texts.length)],
    [c.tokens, number(batch.tokens)],
    [c.dimensions, number(batch.cols)],
    [w.latency, milliseconds(batch.took)],
    [w.perText, milliseconds(batch.took / texts.length)],
    [w.throughput, w.perSecond(number((texts.length * 1000) / batch.took))],
    [w.requests, number(batch.requests)],
    [
      batch.requests > 1 ? w.slowest : w.server,
      measured ? w.timing(milliseconds(tokenize), milliseconds(queue), milliseconds(run)) : undefined,
    ],
    [c.truncated, number(batch.truncated)],
  ];
}

/** The name of a file of these vectors, of letters, digits, dots, underscores and hyphens: all-MiniLM-L6-v2-10.npy. */
export function fileName({ batch, texts }: Result, kind: string): string {
  const name = batch.model.slice(batch.model.lastIndexOf("/") + 1);
  const model = name.replace(/[^\w.-]+/g, "-").replace(/^[-.]+|[-.]+$/g, "");
  return `${model || "embeddings"}-${texts.length}.${kind}`;
}
