import { type ComponentChildren, cloneElement, type VNode } from "preact";
import { useId } from "preact/hooks";

interface Props {
  label: string;
  hint?: ComponentChildren;
  /** The control itself; it gets the label's id, and the hint as its description. */
  children: VNode<{ id?: string; "aria-describedby"?: string }>;
}

/** A control with its label and a hint. */
export function Field({ label, hint, children }: Props) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {cloneElement(children, hint ? { id, "aria-describedby": `${id}-hint` } : { id })}
      {hint && <small id={`${id}-hint`}>{hint}</small>}
    </div>
  );
}
