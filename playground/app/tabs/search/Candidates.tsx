import { useSignal } from "@preact/signals";
import { fixed, number } from "../../i18n/language";
import { type Column, DataTable, type Row } from "../../parts/DataTable";
import { Shift } from "../../parts/Shift";
import { digitsOf } from "../../parts/scores";
import { gain, type Move } from "./moves";
import { words } from "./words";

interface Props {
  documents: string[];
  moves: Move[];
}

/** All candidates as a table that can be sorted by either order, and by how far they have moved. */
export function Candidates({ documents, moves }: Props) {
  const w = words.value;
  const open = useSignal(false);
  const columns: Column[] = [
    { key: "after", name: w.after, numeric: true, sortable: true },
    { key: "before", name: w.before, numeric: true, sortable: true },
    { key: "move", name: w.move, sortable: true },
    { key: "document", name: w.number, numeric: true, sortable: true },
    { key: "text", name: w.text },
    { key: "similarity", name: w.similarity, numeric: true, sortable: true },
    { key: "score", name: w.score, numeric: true, sortable: true },
  ];
  return (
    <details
      onToggle={(e) => {
        open.value = e.currentTarget.open;
      }}
    >
      <summary>{w.table}</summary>
      {open.value && <DataTable caption={w.changed} columns={columns} rows={moves.map((m) => row(m, documents))} />}
    </details>
  );
}

const row = (m: Move, documents: string[]): Row => ({
  after: number(m.after),
  before: number(m.before),
  move: <Shift gain={gain(m)} />,
  document: number(m.document + 1),
  text: <span class="text document">{documents[m.document]}</span>,
  similarity: fixed(m.similarity, 4),
  score: fixed(m.score, digitsOf(m.score)),
  sortBy: { after: m.after, before: m.before, move: gain(m), document: m.document, similarity: m.similarity, score: m.score },
});
