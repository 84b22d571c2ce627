import { useId, useMemo } from "preact/hooks";
import { lines, readTexts } from "../texts/read";
import { dropped, FileInput, useFile } from "./FileInput";
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
  const count = useMemo(() => lines(value).length, [value]);
  const file = useFile(async (chosen) => {
    onChange((await readTexts(chosen)).map((text) => text.replace(/\s*[\r\n]+\s*/g, " ")).join("\n"));
  });
  const drop = (e: DragEvent) => {
    const given = dropped(e);
    if (given) file.load(given);
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea id={id} rows={rows} value={value} spellcheck={false} onInput={(e) => onChange(e.currentTarget.value)} onDrop={drop} />
      <FileInput file={file} count={words.value.texts(count)} />
    </div>
  );
}
