import { useMemo } from "preact/hooks";
import { number } from "../i18n/language";
import { Chart } from "./Chart";
import { colours } from "./colours";
import { words } from "./words";

interface Props {
  title: string;
  /** In order of time; null: nothing happened then. */
  values: (number | null)[];
  unit?: string | undefined;
}

/** A small line for a table's cell. The last value stands beside it as text. */
export function Sparkline({ title, values, unit = "" }: Props) {
  const c = colours.value;
  const option = useMemo(
    () => ({
      grid: { left: 2, right: 2, top: 3, bottom: 3 },
      xAxis: { type: "category", show: false, boundaryGap: false },
      yAxis: { type: "value", show: false, min: 0 },
      animation: false,
      series: [
        {
          type: "line",
          data: values,
          silent: true,
          symbol: "circle",
          symbolSize: 3,
          lineStyle: { color: c.accent, width: 1.5 },
          itemStyle: { color: c.accent },
          areaStyle: { color: c.accent, opacity: 0.15 },
        },
      ],
    }),
    [values, c],
  );
  const last = values.findLast((value) => value !== null);
  const text = last === undefined || last === null ? "–" : `${number(last, last < 10 ? 2 : last < 100 ? 1 : 0)}${unit && ` ${unit}`}`;
  const label = `${title}: ${text === "–" ? words.value.none : words.value.last(text)}`;
  return (
    <span class="spark">
      <Chart label={label} option={option} height={28} />
      <span class="num">{text}</span>
    </span>
  );
}
