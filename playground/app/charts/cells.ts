// What ECharts is told to draw of a matrix of similarities.
import { fixed } from "../i18n/language";
import type { Colours } from "./colours";
import { animation, font, tooltip } from "./style";
import { plain, short, wrap } from "./text";

/** Up to so many texts are written beside their rows. */
export const named = 30;
/** Up to so many the values stand in the cells: on wide screens, and on narrow ones. */
const written = { wide: 10, narrow: 5 };

export interface Drawing {
  labels: string[];
  /** n×n, row-major. */
  matrix: Float32Array;
  n: number;
  /** Which text stands where. */
  shown: number[];
  /** Of the values on hover, after the point. */
  digits: number;
  /** The ends of the scale. */
  low: number;
  high: number;
  c: Colours;
}

/** The option for ECharts. */
export function heatmap(d: Drawing, narrow: boolean) {
  const { low, high, c } = d;
  return {
    animation: animation(),
    ...frame(d, narrow),
    visualMap: {
      type: "continuous",
      min: low,
      max: high,
      dimension: 2,
      text: [fixed(high, 2), fixed(low, 2)],
      orient: "horizontal",
      left: "center",
      bottom: 0,
      itemWidth: 12,
      itemHeight: 140,
      textStyle: ink(c),
      inRange: { color: c.scale },
    },
    tooltip: tooltip(({ value }) => plain(hover(d, value as number[]))),
    series: [cells(d, d.shown.length <= (narrow ? written.narrow : written.wide))],
  };
}

const ink = (c: Colours) => ({ color: c.muted, fontFamily: font(), fontSize: 12 });

/** The value at a column and a row of what is shown. */
const valueAt = ({ matrix, n, shown }: Drawing, x: number, y: number) => matrix[(shown[y] ?? 0) * n + (shown[x] ?? 0)] ?? Number.NaN;

function frame({ labels, shown, c }: Drawing, narrow: boolean) {
  const small = shown.length <= named;
  const interval = small ? 0 : Math.ceil(shown.length / 20) - 1;
  const width = small ? (narrow ? 76 : 140) : 34;
  const axis = { type: "category", axisTick: { show: false }, axisLine: { show: false } };
  const numbers = shown.map((i) => `${i + 1}`);
  return {
    grid: { left: width + 10, right: 8, top: 8, bottom: 64 },
    xAxis: { ...axis, data: numbers, axisLabel: { ...ink(c), interval } },
    yAxis: {
      ...axis,
      inverse: true,
      data: small ? shown.map((i) => `${i + 1}  ${short(labels[i] ?? "", 60)}`) : numbers,
      axisLabel: { ...ink(c), interval, width, margin: width + 6, align: "left", overflow: "truncate" },
    },
  };
}

function hover(d: Drawing, [x = 0, y = 0]: number[]): string {
  const [i, j] = [d.shown[y] ?? 0, d.shown[x] ?? 0];
  return `${fixed(valueAt(d, x, y), d.digits)}\n${i + 1}  ${wrap(d.labels[i] ?? "")}\n${j + 1}  ${wrap(d.labels[j] ?? "")}`;
}

function cells(d: Drawing, inside: boolean) {
  const { shown, low, high, c } = d;
  const data = shown.flatMap((_, y) =>
    shown.map((_, x) => {
      const value = [x, y, within(valueAt(d, x, y), low, high)];
      return inside ? { value, label: { color: lightAt(valueAt(d, x, y), low, high, c) ? "#101820" : "#ffffff" } } : value;
    }),
  );
  return {
    type: "heatmap",
    data,
    progressive: 3000,
    label: {
      show: inside,
      fontFamily: font(),
      fontSize: 11,
      formatter: ({ value: [x = 0, y = 0] }: { value: number[] }) => fixed(valueAt(d, x, y), 2),
    },
    itemStyle: { borderWidth: shown.length <= named ? 1 : 0, borderColor: c.surface },
    emphasis: { itemStyle: { borderColor: c.text, borderWidth: 1 } },
  };
}

/** What is drawn: beyond the scale's ends there are no colours, and rounding goes there. "-" is ECharts' nothing. */
const within = (value: number, low: number, high: number) => (Number.isNaN(value) ? "-" : Math.min(high, Math.max(low, value)));

/** Whether the scale is so light at a value that dark letters read best on it. */
function lightAt(value: number, low: number, high: number, c: Colours): boolean {
  const at = Math.min(1, Math.max(0, (value - low) / (high - low || 1)));
  const [r, g, b] = c.scale.length ? mixed(c.scale, at) : [255, 255, 255];
  return 0.299 * r + 0.587 * g + 0.114 * b > 140;
}

/** A scale's colour at a share of it, as red, green and blue of 0 to 255. */
function mixed(scale: string[], at: number): [number, number, number] {
  const place = at * (scale.length - 1);
  const below = Math.min(Math.floor(place), scale.length - 2);
  const part = (of: string, i: number) => Number.parseInt(of.slice(1 + 2 * i, 3 + 2 * i), 16);
  const mix = (i: number) => {
    const from = part(scale[below] ?? "#ffffff", i);
    return from + (part(scale[below + 1] ?? "#ffffff", i) - from) * (place - below);
  };
  return [mix(0), mix(1), mix(2)];
}
