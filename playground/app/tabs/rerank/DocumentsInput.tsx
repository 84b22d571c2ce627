import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { Problem } from "../../parts/Problem";
import { readDocuments, type Separation } from "./documents";
import { words } from "./words";

interface Props {
  value: string;
  separation: Separation;
  /** How many documents the field holds now. */
  count: number;
  onChange: (value: string) => void;
  onSeparation: (separation: Separation) => void;
}

/** Documents, written, pasted or from a file, and the choice of what separates them. */
export function DocumentsInput({ value, separation, count, onChange, onSeparation }: Props) {
  const id = useId();
  const w = words.value;
  const problem = useSignal<unknown>(null);
  const switched = useSignal(false);
  // What was said of a file is of no interest once something else was done.
  const forget = () => {
    problem.value = null;
    switched.value = false;
  };
  const load = async (file: File | undefined) => {
    if (!file) return;
    forget();
    try {
      const read = await readDocuments(file, separation);
      switched.value = read.separation !== separation;
      onSeparation(read.separation);
      onChange(read.value);
    } catch (reason) {
      problem.value = reason;
    }
  };
  return (
    <div class="stack">
      <div class="field">
        <label for={id}>{w.documents}</label>
        <textarea
          id={id}
          rows={9}
          value={value}
          spellcheck={false}
          onInput={(e) => {
            forget();
            onChange(e.currentTarget.value);
          }}
        />
        <div class="row">
          <label class="file">
            {w.file}
            <input
              type="file"
              accept=".txt,.csv,.tsv,.jsonl,.ndjson,text/plain,text/csv"
              onChange={(e) => {
                const input = e.currentTarget;
                load(input.files?.[0]).finally(() => {
                  input.value = "";
                });
              }}
            />
          </label>
          <small>{w.count(count)}</small>
        </div>
      </div>
      <fieldset class="choices">
        <legend>{w.separation}</legend>
        {(["line", "blank"] as const).map((one) => (
          <label key={one} class="check">
            <input
              type="radio"
              name={`${id}-separation`}
              checked={separation === one}
              onChange={() => {
                forget();
                onSeparation(one);
              }}
            />
            <span>{w[one]}</span>
          </label>
        ))}
      </fieldset>
      <div role="status">{switched.value && <p class="notice">{w.switched}</p>}</div>
      <Problem error={problem.value} />
    </div>
  );
}
