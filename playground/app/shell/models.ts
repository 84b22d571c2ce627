// The models that the caller may use, for all tabs.
import { effect, signal } from "@preact/signals";
import { listModels } from "../api/calls";
import type { Model } from "../api/types";
import { key } from "./key";

export const models = signal<Model[]>([]);
/** Why the list could not be had; null: it could. */
export const modelsError = signal<unknown>(null);

let running: AbortController | undefined;

/** Asks for the list anew. Of several at once the last counts. */
export async function refreshModels(): Promise<void> {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  try {
    const list = await listModels(mine.signal);
    models.value = list;
    modelsError.value = null;
  } catch (reason) {
    if (mine.signal.aborted) return;
    models.value = [];
    modelsError.value = reason;
  }
}

// Another key may use other models. Typing is waited for.
let timer: ReturnType<typeof setTimeout> | undefined;
export const followKey = () =>
  effect(() => {
    key.value;
    clearTimeout(timer);
    timer = setTimeout(refreshModels, 300);
  });
