import { useEffect, useRef } from "preact/hooks";
import { words } from "./words";

interface Props {
  model: string;
  /** Called once: whether the model is to be unloaded. */
  answer: (yes: boolean) => void;
}

/** Asks before a model is unloaded. Escape is no. The focus goes back to where it was. */
export function Confirm({ model, answer }: Props) {
  const w = words.value;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const close = (value: "yes" | "no") => dialog.current?.close(value);
  return (
    <dialog
      ref={dialog}
      class="confirm"
      aria-labelledby="confirm-what"
      aria-describedby="confirm-why"
      onClose={(e) => answer(e.currentTarget.returnValue === "yes")}
    >
      <h2 id="confirm-what">{w.confirm(model)}</h2>
      <p id="confirm-why">{w.consequence}</p>
      <div class="row">
        <button type="button" class="primary" onClick={() => close("yes")}>
          {w.unload}
        </button>
        <button type="button" onClick={() => close("no")}>
          {w.cancel}
        </button>
      </div>
    </dialog>
  );
}
