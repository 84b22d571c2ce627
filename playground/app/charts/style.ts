import { colours } from "./colours";

/** The page's fonts; a canvas does not inherit them. */
export const font = () => getComputedStyle(document.body).fontFamily || "sans-serif";

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
