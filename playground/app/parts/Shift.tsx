import { words } from "./words";

/** How many places something has gained, or below 0 lost: an arrow to see, and the same in words. */
export function Shift({ gain }: { gain: number }) {
  const w = words.value;
  if (gain === 0) return <span class="shift same">{w.same}</span>;
  return (
    <span class={gain > 0 ? "shift up" : "shift down"}>
      <span aria-hidden="true">{gain > 0 ? "▲ " : "▼ "}</span>
      {gain > 0 ? w.up(gain) : w.down(-gain)}
    </span>
  );
}
