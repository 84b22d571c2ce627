// Files of vectors for the user to keep.
import * as Comlink from "comlink";
import { language } from "../../i18n/language";
import { save } from "../../parts/save";
import { workerFailed } from "../../shell/loading";
import type { Contents, Kind } from "./contents";
import { fileName, type Result } from "./result";

export const kinds: readonly Kind[] = ["csv", "json", "npy"];

/**
 * Writes a file in a worker of its own, which ends with it and frees what it took. Throws the signal's
 * reason when it is aborted, RangeError where the file would be too long, and Error when the worker fails.
 */
export async function write(kind: Kind, { texts, batch }: Result, signal: AbortSignal): Promise<Blob> {
  signal.throwIfAborted();
  const worker = new Worker(new URL("./writer.ts", import.meta.url), { type: "module", name: language.value });
  try {
    return await new Promise<Blob>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      worker.addEventListener("error", (event) => reject(workerFailed("writer.js", event)));
      const { data, rows, cols } = batch;
      Comlink.wrap<Contents>(worker)[kind](texts, { data, rows, cols }, batch.model).then(resolve, reject);
    });
  } finally {
    worker.terminate();
  }
}

export const writeAndSave = async (kind: Kind, result: Result, signal: AbortSignal): Promise<void> =>
  save(await write(kind, result, signal), fileName(result, kind));
