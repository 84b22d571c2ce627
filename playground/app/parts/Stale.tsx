import { words } from "./words";

/** Says, and has read out, that what is shown below is not of what the form holds now. */
export function Stale({ when }: { when: boolean }) {
  return <div role="status">{when && <p class="notice">{words.value.stale}</p>}</div>;
}
