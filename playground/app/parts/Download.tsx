import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { Problem } from "./Problem";
import { save } from "./save";

interface Props {
  /** The file's name. */
  name: string;
  /** Its media type. */
  type: string;
  /** What is in it; made when it is asked for. */
  content: () => BlobPart | Promise<BlobPart>;
  children: ComponentChildren;
}

/** Saves something as a file. */
export function Download({ name, type, content, children }: Props) {
  const problem = useSignal<unknown>(null);
  const start = async () => {
    problem.value = null;
    try {
      save(new Blob([await content()], { type }), name);
    } catch (reason) {
      problem.value = reason;
    }
  };
  return (
    <>
      <button type="button" onClick={start}>
        {children}
      </button>
      <Problem error={problem.value} />
    </>
  );
}
