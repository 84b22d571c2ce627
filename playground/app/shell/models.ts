// The models that the caller may use, for all tabs.
import { effect, signal } from "@preact/signals";
import { listModels } from "../api/calls";
import type { Model } from "../api/types";
import { key } from "./key";

/** The list before the server has told it. */
export const unknown: Model[] = [];
export const models = signal<Model[]>(unknown);
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

/** Milliseconds without another character after which a key is taken for complete. */
const pause = 300;

/** Asks for the list now, and whenever the key has changed: another one may use other models. Returns what ends that. */
export function followKey(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wait = 0;
  const end = effect(() => {
    key.value;
    clearTimeout(timer);
    timer = setTimeout(refreshModels, wait);
    wait = pause;
  });
  return () => {
    clearTimeout(timer);
    end();
  };
}
