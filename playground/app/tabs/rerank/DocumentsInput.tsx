import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { dropped, FileInput, useFile } from "../../parts/FileInput";
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
  const switched = useSignal(false);
  const file = useFile(async (chosen) => {
    switched.value = false;
    const read = await readDocuments(chosen, separation);
    switched.value = read.separation !== separation;
    onSeparation(read.separation);
    onChange(read.value);
  });
  // What was said of a file is of no interest once something else was done.
  const forget = () => {
    file.problem.value = null;
    switched.value = false;
  };
  const drop = (e: DragEvent) => {
    const given = dropped(e);
    if (given) file.load(given);
  };
  return (
    <>
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
          onDrop={drop}
        />
        <FileInput file={file} count={w.count(count)} />
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
    </>
  );
}
