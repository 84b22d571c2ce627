import { useMemo } from "preact/hooks";
import { fixed, language } from "../i18n/language";
import { DataTable } from "../parts/DataTable";
import { Chart } from "./Chart";
import { type Drawing, heatmap, named } from "./cells";
import { colours } from "./colours";
import { short } from "./text";
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
    () => (narrow: boolean) => heatmap({ labels, matrix, n, shown, digits, low, high, c }, narrow),
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
