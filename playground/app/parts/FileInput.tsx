import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { fields } from "../texts/read";
import { words as reading } from "../texts/words";
import { Problem } from "./Problem";
import { words } from "./words";

/** Reads files, one after the other, and keeps why the last could not be read. */
export function useFile(read: (file: File) => Promise<void>) {
  const problem = useSignal<unknown>(null);
  const load = async (file: File) => {
    problem.value = null;
    try {
      await read(file);
    } catch (reason) {
      problem.value = reason;
    }
  };
  return { problem, load };
}

interface Props {
  file: ReturnType<typeof useFile>;
  /** How many texts there are now. */
  count: string;
}

/** Chooses a file of texts, and tells how it is read. */
export function FileInput({ file, count }: Props) {
  const id = useId();
  const w = words.value;
  return (
    <>
      <div class="row">
        <label class="file">
          {w.file}
          <input
            type="file"
            accept=".txt,.csv,.tsv,.jsonl,.ndjson,text/plain,text/csv"
            aria-describedby={id}
            onChange={(e) => {
              const input = e.currentTarget;
              const chosen = input.files?.[0];
              if (!chosen) return;
              file.load(chosen).finally(() => {
                // So that the same file, once it was changed, can be chosen again.
                input.value = "";
              });
            }}
          />
        </label>
        <small>{count}</small>
        <details class="hint">
          <summary>{w.howRead}</summary>
          <small id={id}>
            {reading.value.files} <code>{fields.join(", ")}</code>
          </small>
        </details>
      </div>
      <Problem error={file.problem.value} />
    </>
  );
}

/** A file that was dropped on a field is read instead of opened by the browser. */
export function dropped(e: DragEvent): File | undefined {
  const file = e.dataTransfer?.files[0];
  if (file) e.preventDefault();
  return file;
}
