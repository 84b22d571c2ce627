import { useMemo, useState } from "preact/hooks";
import { number } from "../../i18n/language";
import { Field } from "../../parts/Field";
import { matching } from "./order";
import { words } from "./words";

/** A list of thousands would make the page slow; so many are listed, and the rest is found by searching. */
export const listed = 200;

interface Props {
  label: string;
  texts: string[];
  /** The index of the one that is chosen. */
  value: number;
  onChange: (index: number) => void;
}

/** Chooses one of many texts. A field to search with appears where there are more than a list's worth. */
export function TextPicker({ label, texts, value, onChange }: Props) {
  const w = words.value;
  const [wanted, setWanted] = useState("");
  const found = useMemo(() => matching(texts, wanted), [texts, wanted]);
  const shown = found.slice(0, listed);
  if (!shown.includes(value)) shown.unshift(value);
  return (
    <div class="row picker">
      {texts.length > listed && (
        <Field label={w.find} hint={found.length > listed ? w.found(found.length, number(listed)) : w.matches(found.length)}>
          <input type="search" value={wanted} onInput={(e) => setWanted(e.currentTarget.value)} />
        </Field>
      )}
      <Field label={label}>
        <select value={value} onChange={(e) => onChange(Number(e.currentTarget.value))}>
          {shown.map((i) => (
            <option key={i} value={i}>
              {`${number(i + 1)}. ${shortened(texts[i] ?? "")}`}
            </option>
          ))}
        </select>
      </Field>
    </div>
  );
}

const longest = 80;

/** A text short enough for a list, cut between characters. */
export function shortened(text: string): string {
  if (text.length <= longest) return text;
  const characters = [...text.slice(0, 2 * longest)];
  return characters.length <= longest && text.length <= 2 * longest ? text : `${characters.slice(0, longest - 1).join("")}…`;
}
