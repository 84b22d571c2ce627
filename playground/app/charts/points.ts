// What ECharts is told to draw of points in a plane.
import { number } from "../i18n/language";
import type { Colours } from "./colours";
import { animation, font, tooltip } from "./style";
import { plain, short, wrap } from "./text";

/** Up to so many points are named beside themselves, as far as there is room. */
const named = 40;
/** Beyond so many they are drawn small. */
const crowd = 5000;

const shapes = ["circle", "rect", "triangle", "diamond", "pin", "arrow"];

export interface Group {
  name: string;
  /** Which points are in it. */
  indices: number[];
}

export interface Drawing {
  groups: Group[];
  /** Two numbers a point, one point after the other. */
  points: Float32Array;
  labels: string[];
  axes: [string, string];
  /** A point to point out. */
  chosen: number | undefined;
  c: Colours;
}

/** The option for ECharts. A series a group, and one for the chosen point's ring. */
export function scatter(d: Drawing) {
  const { groups, labels, axes, chosen, c } = d;
  const several = groups.length > 1;
  const zoom = { type: "inside", zoomOnMouseWheel: "ctrl", filterMode: "none" };
  return {
    animation: animation(),
    grid: { left: 56, right: 16, top: several ? 36 : 12, bottom: 48 },
    legend: { show: several, top: 0, textStyle: ink(c), data: groups.map((g) => g.name) },
    xAxis: { ...axis(axes[0], c), nameGap: 28 },
    yAxis: { ...axis(axes[1], c), nameGap: 40 },
    dataZoom: [
      { ...zoom, xAxisIndex: 0 },
      { ...zoom, yAxisIndex: 0 },
    ],
    tooltip: tooltip(({ seriesIndex, dataIndex }) => {
      const i = indexOf(d, seriesIndex, dataIndex);
      return plain(`${i + 1}  ${wrap(labels[i] ?? "")}`);
    }),
    series: [...groups.map((_, at) => marks(d, at)), ...(chosen === undefined ? [] : [ring(d, chosen)])],
  };
}

/** Which point stands at a place of a series. */
export const indexOf = ({ groups, chosen }: Pick<Drawing, "groups" | "chosen">, series: number, at: number) =>
  groups[series]?.indices[at] ?? chosen ?? 0;

const ink = (c: Colours) => ({ color: c.muted, fontFamily: font(), fontSize: 12 });

const place = ({ points }: Drawing, i: number) => [points[2 * i] ?? 0, points[2 * i + 1] ?? 0];

const axis = (name: string, c: Colours) => ({
  type: "value",
  scale: true,
  name,
  nameLocation: "middle",
  nameTextStyle: ink(c),
  axisLabel: { ...ink(c), hideOverlap: true, formatter: (n: number) => number(n, 12) },
  axisLine: { show: true, lineStyle: { color: c.line } },
  splitLine: { lineStyle: { color: c.line } },
});

function marks(d: Drawing, at: number) {
  const { groups, points, labels, c } = d;
  const few = points.length / 2 <= named;
  const side = few ? sides(points) : () => "right";
  const mark = (i: number) => (few ? { value: place(d, i), label: { position: side(i) } } : place(d, i));
  return {
    name: groups[at]?.name,
    type: "scatter",
    data: groups[at]?.indices.map(mark),
    large: true,
    symbol: shapes[at % shapes.length],
    symbolSize: points.length / 2 > crowd ? 4 : 8,
    itemStyle: { color: c.groups[at % c.groups.length], opacity: few ? 0.9 : 0.65 },
    label: {
      show: few,
      distance: 8,
      ...ink(c),
      formatter: (m: { dataIndex: number }) => short(labels[indexOf(d, at, m.dataIndex)] ?? "", 22),
    },
    labelLayout: { hideOverlap: true },
  };
}

/** On which side of its point a text has more room. */
function sides(points: Float32Array) {
  const xs = points.filter((_, i) => i % 2 === 0);
  const middle = (Math.min(...xs) + Math.max(...xs)) / 2;
  return (i: number) => ((points[2 * i] ?? 0) > middle ? "left" : "right");
}

const ring = (d: Drawing, chosen: number) => ({
  type: "scatter",
  data: [place(d, chosen)],
  symbol: "circle",
  symbolSize: 18,
  z: 3,
  itemStyle: { color: "transparent", borderColor: d.c.text, borderWidth: 2 },
});
