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
  /** Two numbers a point, one point after the other. */
  points: Float32Array;
  labels: string[];
  /** The names of the axes. */
  axes?: [string, string] | undefined;
  /** Each point's group, from 0; undefined: all are alike. */
  groups?: number[] | undefined;
  groupNames?: string[] | undefined;
  /** A point to point out. */
  chosen?: number | undefined;
  /** A point was clicked. */
  onPick?: ((index: number) => void) | undefined;
}

/** Up to so many points are named beside themselves, as far as there is room. */
const named = 40;
/** Up to so many are offered as a table. */
const listed = 200;

const shapes = ["circle", "rect", "triangle", "diamond", "pin", "arrow"];

/** Points in a plane, with their texts on hover. */
export function Scatter({ title, points, labels, axes, groups, groupNames, chosen, onPick }: Props) {
  const w = words.value;
  const names = axes ?? [w.axis(1), w.axis(2)];
  const [nameX, nameY] = names;
  const c = colours.value;
  const tongue = language.value;
  const series = useMemo(() => split(points, groups, groupNames), [points, groups, groupNames, tongue]);
  const option = useMemo(
    () => picture({ series, points, labels, axes: [nameX, nameY], chosen, c }),
    [series, points, labels, nameX, nameY, chosen, c],
  );
  const n = points.length / 2;
  const pick =
    onPick && ((index: number, of: number) => onPick(of < series.length ? (series[of]?.indices[index] ?? index) : (chosen ?? 0)));
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <Chart label={`${title}: ${w.points(n)}`} option={option} height={420} onPick={pick} />
      <small>
        {w.points(n)}. {w.zoom}
      </small>
      {n <= listed && (
        <details>
          <summary>{w.table}</summary>
          <Places title={title} points={points} labels={labels} axes={names} />
        </details>
      )}
    </figure>
  );
}

interface Group {
  name: string;
  /** Which points are in it. */
  indices: number[];
}

function split(points: Float32Array, groups: number[] | undefined, names: string[] | undefined): Group[] {
  const all = Array.from({ length: points.length / 2 }, (_, i) => i);
  if (!groups) return [{ name: "", indices: all }];
  const found = new Map<number, number[]>();
  for (const i of all) {
    const group = groups[i] ?? 0;
    const members = found.get(group);
    if (members) members.push(i);
    else found.set(group, [i]);
  }
  return [...found]
    .sort(([a], [b]) => a - b)
    .map(([group, indices]) => ({ name: names?.[group] ?? words.value.group(group + 1), indices }));
}

interface Drawing {
  series: Group[];
  points: Float32Array;
  labels: string[];
  axes: [string, string];
  chosen: number | undefined;
  c: Colours;
}

function picture({ series, points, labels, axes, chosen, c }: Drawing) {
  const ink = { color: c.muted, fontFamily: font(), fontSize: 12 };
  const place = (i: number) => [points[2 * i] ?? 0, points[2 * i + 1] ?? 0];
  const axis = (name: string) => ({
    type: "value",
    scale: true,
    name,
    nameLocation: "middle",
    nameTextStyle: ink,
    axisLabel: { ...ink, hideOverlap: true },
    axisLine: { show: true, lineStyle: { color: c.line } },
    splitLine: { lineStyle: { color: c.line } },
  });
  const indexOf = (of: number, at: number) => series[of]?.indices[at] ?? chosen ?? 0;
  const few = points.length / 2 <= named;
  // Texts stand on the side of their point that has more room.
  const xs = points.filter((_, i) => i % 2 === 0);
  const middle = few ? (Math.min(...xs) + Math.max(...xs)) / 2 : 0;
  const side = (i: number) => ((points[2 * i] ?? 0) > middle ? "left" : "right");
  const mark = (i: number) => (few ? { value: place(i), label: { position: side(i) } } : place(i));
  const groups = series.map((group, at) => ({
    name: group.name,
    type: "scatter",
    data: group.indices.map(mark),
    large: true,
    symbol: shapes[at % shapes.length],
    symbolSize: points.length / 2 > 5000 ? 4 : 8,
    itemStyle: { color: c.groups[at % c.groups.length], opacity: few ? 0.9 : 0.65 },
    label: {
      show: few,
      distance: 8,
      ...ink,
      formatter: (m: { dataIndex: number }) => short(labels[indexOf(at, m.dataIndex)] ?? "", 22),
    },
    labelLayout: { hideOverlap: true },
  }));
  const ring =
    chosen === undefined
      ? []
      : [
          {
            type: "scatter",
            data: [place(chosen)],
            symbol: "circle",
            symbolSize: 18,
            z: 3,
            itemStyle: { color: "transparent", borderColor: c.text, borderWidth: 2 },
          },
        ];
  return {
    animation: animation(),
    grid: { left: 56, right: 16, top: series.length > 1 ? 36 : 12, bottom: 48 },
    legend: series.length > 1 ? { top: 0, textStyle: ink, data: series.map((s) => s.name) } : undefined,
    xAxis: { ...axis(axes[0]), nameGap: 28 },
    yAxis: { ...axis(axes[1]), nameGap: 40 },
    dataZoom: [
      { type: "inside", xAxisIndex: 0, zoomOnMouseWheel: "ctrl", filterMode: "none" },
      { type: "inside", yAxisIndex: 0, zoomOnMouseWheel: "ctrl", filterMode: "none" },
    ],
    tooltip: tooltip(({ seriesIndex, dataIndex }) => {
      const i = indexOf(seriesIndex, dataIndex);
      return plain(`${i + 1}  ${wrap(labels[i] ?? "")}`);
    }),
    series: [...groups, ...ring],
  };
}

function Places({ title, points, labels, axes }: { title: string; points: Float32Array; labels: string[]; axes: [string, string] }) {
  const columns = [
    { key: "text", name: words.value.text },
    { key: "x", name: axes[0], numeric: true, sortable: true },
    { key: "y", name: axes[1], numeric: true, sortable: true },
  ];
  const rows = labels.map((label, i) => {
    const [x, y] = [points[2 * i] ?? 0, points[2 * i + 1] ?? 0];
    return { text: `${i + 1}  ${short(label, 60)}`, x: fixed(x, 3), y: fixed(y, 3), sortBy: { x, y } };
  });
  return <DataTable caption={title} columns={columns} rows={rows} />;
}
