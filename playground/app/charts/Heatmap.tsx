import { useMemo } from "preact/hooks";
import { fixed, language } from "../i18n/language";
import { DataTable } from "../parts/DataTable";
import { Chart } from "./Chart";
import { type Colours, colours } from "./colours";
import { animation, font, tooltip } from "./style";
import { plain, short, wrap } from "./text";
import { words } from "./words";

interface Props {
  title: string;
  labels: string[];
  /** n×n, row-major. */
  matrix: Float32Array;
  n: number;
  /** Which text stands where; undefined: as they came. */
  order?: number[] | undefined;
  digits?: number | undefined;
  /** The scale's ends, for charts that are to be compared; undefined: what the matrix holds. */
  min?: number | undefined;
  max?: number | undefined;
}

/** More cells than these take long to draw, and are too small to see. */
const most = 200;
/** Up to so many texts are written beside their rows, and are offered as a table. */
const named = 30;
/** Up to so many the values stand in the cells. */
const written = 10;

/** A matrix of similarities as colours, with the texts and the value on hover. */
export function Heatmap({ title, labels, matrix, n, order, digits = 3, min, max }: Props) {
  const w = words.value;
  const shown = useMemo(() => (order ?? Array.from({ length: n }, (_, i) => i)).slice(0, most), [order, n]);
  const found = useMemo(() => extremes(matrix, n, shown), [matrix, n, shown]);
  const low = min ?? (found.most ? Math.floor(found.low * 10 + 1e-6) / 10 : 0);
  const high = max ?? Math.max(1, found.high);
  const c = colours.value;
  const tongue = language.value;
  const option = useMemo(
    () => picture({ labels, matrix, n, shown, digits, low, high, c }),
    [labels, matrix, n, shown, digits, low, high, c, tongue],
  );
  const range = found.most ? w.matrixRange(shown.length, fixed(found.low, digits), fixed(found.high, digits)) : "";
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <Chart label={[title, range].filter(Boolean).join(": ")} option={option} height={heightOf(shown.length)} />
      {shown.length < n && <small>{w.first(shown.length, n)}</small>}
      {found.most && found.least && (
        <>
          <small>{range}</small>
          <small>
            {w.alike}: <Pair of={found.most} labels={labels} />
          </small>
          <small>
            {w.unlike}: <Pair of={found.least} labels={labels} />
          </small>
        </>
      )}
      {shown.length <= named && (
        <details>
          <summary>{w.table}</summary>
          <Values title={title} labels={labels} matrix={matrix} n={n} shown={shown} digits={digits} />
        </details>
      )}
    </figure>
  );
}

/** In CSS pixels. */
const heightOf = (n: number) => Math.min(560, Math.max(200, n * 26 + 70));

function Pair({ of: [i, j], labels }: { of: [number, number]; labels: string[] }) {
  return (
    <>
      <q>{short(labels[i] ?? "", 40)}</q> – <q>{short(labels[j] ?? "", 40)}</q>
    </>
  );
}

interface Extremes {
  low: number;
  high: number;
  most?: [number, number];
  least?: [number, number];
}

/** The least and the most of what different texts have. */
function extremes(matrix: Float32Array, n: number, shown: number[]): Extremes {
  const found: Extremes = { low: Number.POSITIVE_INFINITY, high: Number.NEGATIVE_INFINITY };
  shown.forEach((i, at) => {
    for (const j of shown.slice(at + 1)) {
      const value = matrix[i * n + j] ?? Number.NaN;
      if (value > found.high) Object.assign(found, { high: value, most: [i, j] });
      if (value < found.low) Object.assign(found, { low: value, least: [i, j] });
    }
  });
  return found;
}

interface Drawing {
  labels: string[];
  matrix: Float32Array;
  n: number;
  shown: number[];
  digits: number;
  low: number;
  high: number;
  c: Colours;
}

function picture({ labels, matrix, n, shown, digits, low, high, c }: Drawing) {
  const small = shown.length <= named;
  const inside = shown.length <= written;
  const valueAt = (x: number, y: number) => matrix[(shown[y] ?? 0) * n + (shown[x] ?? 0)] ?? Number.NaN;
  const data = shown.flatMap((_, y) =>
    shown.map((_, x) => {
      const value = [x, y, within(valueAt(x, y), low, high)];
      return inside ? { value, label: { color: lightAt(valueAt(x, y), low, high, c) ? "#101820" : "#ffffff" } } : value;
    }),
  );
  const ink = { color: c.muted, fontFamily: font(), fontSize: 12 };
  const every = small ? 0 : Math.ceil(shown.length / 20) - 1;
  const axis = { type: "category", axisTick: { show: false }, axisLine: { show: false }, axisLabel: { ...ink, interval: every } };
  const numbers = shown.map((i) => `${i + 1}`);
  const beside = (width: number) => ({ ...ink, interval: every, width, margin: width + 6, align: "left", overflow: "truncate" });
  const baseOption = {
    animation: animation(),
    grid: { left: small ? 150 : 44, right: 8, top: 8, bottom: 64 },
    xAxis: { ...axis, data: numbers },
    yAxis: {
      ...axis,
      inverse: true,
      data: small ? shown.map((i) => `${i + 1}  ${short(labels[i] ?? "", 60)}`) : numbers,
      axisLabel: beside(small ? 140 : 34),
    },
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
      textStyle: ink,
      inRange: { color: c.scale },
    },
    tooltip: tooltip(({ value }) => {
      const [x, y] = value as [number, number];
      const [i, j] = [shown[y] ?? 0, shown[x] ?? 0];
      return plain(`${fixed(valueAt(x, y), digits)}\n${i + 1}  ${wrap(labels[i] ?? "")}\n${j + 1}  ${wrap(labels[j] ?? "")}`);
    }),
    series: [
      {
        type: "heatmap",
        data,
        progressive: 5000,
        label: {
          show: inside,
          fontFamily: font(),
          fontSize: 11,
          formatter: ({ value: [x = 0, y = 0] }: { value: number[] }) => fixed(valueAt(x, y), 2),
        },
        itemStyle: { borderWidth: small ? 1 : 0, borderColor: c.surface },
        emphasis: { itemStyle: { borderColor: c.text, borderWidth: 1 } },
      },
    ],
  };
  const narrow = {
    query: { maxWidth: 420 },
    option: {
      grid: { left: small ? 86 : 44 },
      yAxis: { axisLabel: beside(small ? 76 : 34) },
      series: [{ label: { show: shown.length <= 5 } }],
    },
  };
  return { baseOption, media: [narrow] };
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

function Values({
  title,
  labels,
  matrix,
  n,
  shown,
  digits,
}: Pick<Drawing, "labels" | "matrix" | "n" | "shown" | "digits"> & { title: string }) {
  const columns = [{ key: "text", name: words.value.text }, ...shown.map((j) => ({ key: `${j}`, name: `${j + 1}`, numeric: true }))];
  const rows = shown.map((i) => ({
    text: `${i + 1}  ${short(labels[i] ?? "", 60)}`,
    ...Object.fromEntries(shown.map((j) => [`${j}`, fixed(matrix[i * n + j] ?? Number.NaN, digits)])),
  }));
  return <DataTable caption={title} columns={columns} rows={rows} />;
}
