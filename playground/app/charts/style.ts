import { colours } from "./colours";

/** The page's fonts; a canvas does not inherit them. */
export const font = () => getComputedStyle(document.body).fontFamily || "sans-serif";

/** Whether charts may move: not where the reader has asked for less motion. */
export const animation = () => !window.matchMedia("(prefers-reduced-motion: reduce)").matches;

/** A box with text that follows the pointer, drawn on the canvas: the page's policy allows no styles in markup. */
export function tooltip(formatter: (mark: { dataIndex: number; seriesIndex: number; value: unknown }) => string) {
  const c = colours.value;
  return {
    trigger: "item",
    renderMode: "richText",
    confine: true,
    backgroundColor: c.surface,
    borderColor: c.muted,
    textStyle: { color: c.text, fontFamily: font(), fontSize: 13 },
    formatter,
  };
}
