import { useSignal } from "@preact/signals";
import { Field } from "./Field";
import { words } from "./words";

interface Common {
  label: string;
  min: number;
  max: number;
  hint?: string | undefined;
  /** What stands in it while it is empty. */
  placeholder?: string | undefined;
}

type Props = Common &
  (
    | { optional: true; value: number | undefined; onChange: (value: number | undefined) => void }
    | { optional?: false; value: number; onChange: (value: number) => void }
  );

/** A whole number. What is out of its range is told beside it, and not passed on. */
export function NumberField(props: Props) {
  const { label, min, max, hint, placeholder, value } = props;
  // What is written, while it is no number that may be passed on.
  const draft = useSignal<string | null>(null);
  const enter = (text: string) => {
    const n = Number(text);
    if (text === "" && props.optional) {
      draft.value = null;
      props.onChange(undefined);
    } else if (text !== "" && Number.isInteger(n) && n >= min && n <= max) {
      draft.value = null;
      props.onChange(n);
    } else draft.value = text;
  };
  return (
    <Field label={label} hint={<Hint usual={hint} range={words.value.range(min, max)} wrong={draft.value !== null} />}>
      <input
        type="number"
        inputMode="numeric"
        min={min}
        max={max}
        step={1}
        placeholder={placeholder ?? ""}
        value={draft.value ?? value ?? ""}
        aria-invalid={draft.value !== null}
        onInput={(e) => enter(e.currentTarget.value)}
        onBlur={() => {
          draft.value = null;
        }}
      />
    </Field>
  );
}

/** The hint and the range, of which one is seen: both take their room at all times, so that nothing moves from under the pointer. */
function Hint({ usual, range, wrong }: { usual: string | undefined; range: string; wrong: boolean }) {
  return (
    <span class="either">
      <span class={wrong ? "unseen" : undefined}>{usual}</span>
      <span class={wrong ? undefined : "unseen"}>{range}</span>
    </span>
  );
}
