import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { Problem } from "./Problem";

interface Props {
  /** The file's name. */
  name: string;
  /** Its media type. */
  type: string;
  /** What is in it; made when it is asked for. */
  content: () => BlobPart | Promise<BlobPart>;
  children: ComponentChildren;
}

/** Browsers begin to save shortly after the click. */
const kept = 60_000;

/** Saves something as a file. */
export function Download({ name, type, content, children }: Props) {
  const problem = useSignal<unknown>(null);
  const save = async () => {
    problem.value = null;
    try {
      const url = URL.createObjectURL(new Blob([await content()], { type }));
      const link = document.createElement("a");
      link.href = url;
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), kept);
    } catch (reason) {
      problem.value = reason;
    }
  };
  return (
    <>
      <button type="button" onClick={save}>
        {children}
      </button>
      <Problem error={problem.value} />
    </>
  );
}
