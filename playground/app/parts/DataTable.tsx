import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { More } from "./More";

export interface Column {
  key: string;
  name: string;
  /** Aligned at the right, with digits of equal width. */
  numeric?: boolean | undefined;
  /** Its heading is a button that sorts by it. */
  sortable?: boolean | undefined;
}

/** A row's cells by column. It is sorted by `sortBy` where that has the column, else by the cell itself. */
export type Row = Record<string, ComponentChildren> & { sortBy?: Record<string, number | string> };

interface Props {
  caption: string;
  columns: Column[];
  rows: Row[];
}

/** So many rows are shown at first, and so many more each time. */
const page = 200;

/** A table that scrolls within itself on narrow screens. The first column names the rows. */
export function DataTable({ caption, columns, rows }: Props) {
  const id = useId();
  const order = useSignal<{ key: string; up: boolean } | null>(null);
  const shown = useSignal(page);
  const sorted = sort(rows, order.value);
  const turn = (key: string) => {
    order.value = { key, up: order.value?.key === key ? !order.value.up : true };
  };
  return (
    <div class="stack">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard */}
      <section class="table scroll" aria-labelledby={id} tabIndex={0}>
        <table style={{ minWidth: `${least(columns)}rem` }}>
          <caption id={id}>{caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <Heading key={column.key} column={column} up={order.value?.key === column.key ? order.value.up : undefined} turn={turn} />
              ))}
            </tr>
          </thead>
          <tbody>
            {sorted.slice(0, shown.value).map((row, i) => (
              <tr key={i}>
                {columns.map((column, at) =>
                  at === 0 ? (
                    <th key={column.key} scope="row" class={column.numeric ? "num" : undefined}>
                      {row[column.key]}
                    </th>
                  ) : (
                    <td key={column.key} class={column.numeric ? "num" : undefined}>
                      {row[column.key]}
                    </td>
                  ),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <More
        shown={shown.value}
        total={rows.length}
        step={page}
        onMore={() => {
          shown.value += page;
        }}
      />
    </div>
  );
}

/** Narrower than that, in rem, a table scrolls: texts are not to stand one word a line. */
const least = (columns: Column[]) => columns.reduce((sum, { numeric }) => sum + (numeric ? 4 : 8), 0);

function Heading({ column, up, turn }: { column: Column; up: boolean | undefined; turn: (key: string) => void }) {
  const { key, name, numeric, sortable } = column;
  return (
    <th scope="col" class={numeric ? "num" : undefined} aria-sort={up === undefined ? undefined : up ? "ascending" : "descending"}>
      {sortable ? (
        <button type="button" onClick={() => turn(key)}>
          {name} <span aria-hidden="true">{up === undefined ? "↕" : up ? "↑" : "↓"}</span>
        </button>
      ) : (
        name
      )}
    </th>
  );
}

function sort(rows: Row[], order: { key: string; up: boolean } | null): Row[] {
  if (!order) return rows;
  const { key, up } = order;
  const of = (row: Row) => row.sortBy?.[key] ?? row[key];
  const compare = (a: unknown, b: unknown) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a ?? "").localeCompare(String(b ?? ""), undefined, { numeric: true });
  return [...rows].sort((a, b) => (up ? 1 : -1) * compare(of(a), of(b)));
}
