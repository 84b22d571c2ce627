import { number } from "../../i18n/language";
import { math } from "../../math";
import type { Neighbour } from "../../math/cosine";
import { DataTable } from "../../parts/DataTable";
import { ScoreBar } from "../../parts/ScoreBar";
import { useLater } from "./later";
import { row } from "./order";
import type { Result } from "./result";
import { shortened, TextPicker } from "./TextPicker";
import { Waiting } from "./Waiting";
import { words } from "./words";

/** How many neighbours are shown. */
export const neighbours = 10;

/** The texts nearest to one of them, by cosine similarity, without itself. */
async function nearestTo({ batch: { data, rows, cols } }: Result, chosen: number): Promise<Neighbour[]> {
  const v = { data, rows, cols };
  const found = await math.nearest(v, row(v, chosen), neighbours + 1);
  return found.filter((hit) => hit.index !== chosen).slice(0, neighbours);
}

interface Props {
  result: Result;
  /** The index of the text whose neighbours are shown. */
  chosen: number;
  choose: (index: number) => void;
}

/** Chooses one of the texts, and shows those that are nearest to it among all. */
export function Nearest({ result, chosen, choose }: Props) {
  const w = words.value;
  const { texts } = result;
  const later = useLater(async () => ({ of: chosen, hits: await nearestTo(result, chosen) }), [result, chosen]);
  return (
    <section class="card" aria-label={w.nearest}>
      <h2>{w.nearest}</h2>
      {texts.length < 2 ? (
        <p>{w.needsTwo}</p>
      ) : (
        <>
          <TextPicker label={w.nearTo} texts={texts} value={chosen} onChange={choose} />
          <Waiting for={later}>{({ of, hits }) => <Neighbours texts={texts} of={of} hits={hits} />}</Waiting>
        </>
      )}
    </section>
  );
}

function Neighbours({ texts, of, hits }: { texts: string[]; of: number; hits: Neighbour[] }) {
  const w = words.value;
  const columns = [
    { key: "line", name: w.line, numeric: true },
    { key: "text", name: w.text },
    { key: "score", name: w.score, numeric: true },
  ];
  const least = Math.min(0, ...hits.map((hit) => hit.score));
  const rows = hits.map(({ index, score }) => ({
    line: number(index + 1),
    text: <span class="text">{texts[index]}</span>,
    score: <ScoreBar value={score} min={least} max={1} />,
  }));
  return <DataTable caption={w.nearestTo(shortened(texts[of] ?? ""))} columns={columns} rows={rows} />;
}
