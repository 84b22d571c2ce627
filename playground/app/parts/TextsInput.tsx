import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { lines, readTexts } from "../texts/read";
import { Problem } from "./Problem";
import { words } from "./words";

interface Props {
  label: string;
  /** One text a line. */
  value: string;
  onChange: (value: string) => void;
  rows?: number;
}

/** Texts, one a line, written, pasted or from a file. A file's line breaks within a text become spaces. */
export function TextsInput({ label, value, onChange, rows = 8 }: Props) {
  const id = useId();
  const w = words.value;
  const problem = useSignal<unknown>(null);
  const load = async (file: File | undefined) => {
    if (!file) return;
    problem.value = null;
    try {
      onChange((await readTexts(file)).map((text) => text.replace(/\s*[\r\n]+\s*/g, " ")).join("\n"));
    } catch (reason) {
      problem.value = reason;
    }
  };
  const drop = (e: DragEvent) => {
    const file = e.dataTransfer?.files[0];
    if (!file) return;
    e.preventDefault();
    load(file);
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea id={id} rows={rows} value={value} spellcheck={false} onInput={(e) => onChange(e.currentTarget.value)} onDrop={drop} />
      <div class="row">
        <label class="file">
          {w.file}
          <input
            type="file"
            accept=".txt,.csv,.jsonl,.ndjson,text/plain,text/csv"
            onChange={(e) => {
              const input = e.currentTarget;
              load(input.files?.[0]).finally(() => {
                input.value = "";
              });
            }}
          />
        </label>
        <small>{w.texts(lines(value).length)}</small>
      </div>
      <Problem error={problem.value} />
    </div>
  );
}
