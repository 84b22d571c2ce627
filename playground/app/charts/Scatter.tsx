import { useMemo } from "preact/hooks";
import { fixed, language } from "../i18n/language";
import { DataTable } from "../parts/DataTable";
import { Chart } from "./Chart";
import { colours } from "./colours";
import { type Group, indexOf, scatter } from "./points";
import { short } from "./text";
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

/** Up to so many are offered as a table. */
const listed = 200;

/** How many sets of points have been shown. */
let views = 0;

/** Points in a plane, with their texts on hover. */
export function Scatter({ title, points, labels, axes, groups, groupNames, chosen, onPick }: Props) {
  const w = words.value;
  const names = axes ?? [w.axis(1), w.axis(2)];
  const [nameX, nameY] = names;
  const c = colours.value;
  const tongue = language.value;
  const series = useMemo(() => split(points, groups, groupNames), [points, groups, groupNames, tongue]);
  const option = useMemo(
    () => scatter({ groups: series, points, labels, axes: [nameX, nameY], chosen, c }),
    [series, points, labels, nameX, nameY, chosen, c],
  );
  // Other points begin with the whole view; another chosen one leaves it as it is.
  const view = useMemo(() => ++views, [points]);
  const n = points.length / 2;
  const pick = onPick && ((at: number, of: number) => onPick(indexOf({ groups: series, chosen }, of, at)));
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <Chart key={view} label={`${title}: ${w.points(n)}`} option={option} height={420} onPick={pick} />
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
