import { useMemo } from "preact/hooks";
import { fixed, number } from "../../i18n/language";
import { Facts } from "../../parts/Facts";
import { Candidates } from "./Candidates";
import { change, gain, type Move } from "./moves";
import { words } from "./words";

/** The best so many are what a reader sees. */
const top = 5;

const correlation = (r: number) => (Number.isNaN(r) ? "–" : fixed(r, 3));

/** What reranking changed, in a sentence or two. */
export function verdict(moves: Move[]): string {
  const w = words.value;
  const moved = moves.filter((m) => gain(m) !== 0).length;
  const first = moves[0];
  if (!first || moved === 0) return w.unmoved;
  const top = first.before === 1 ? w.firstStays(first.document + 1) : w.first(first.document + 1, first.before);
  return `${w.verdict(moved, moves.length)} ${top}`;
}

/** What reranking changed, in numbers and document by document. */
export function Changes({ documents, moves }: { documents: string[]; moves: Move[] }) {
  const w = words.value;
  const c = useMemo(() => change(moves, top), [moves]);
  const most = (m: Move | null) => m && w.most(gain(m), m.document + 1);
  return (
    <div class="card">
      <h2>{w.changed}</h2>
      <p>{verdict(moves)}</p>
      <Facts
        facts={[
          [w.mean, w.places(c.mean)],
          [w.rise, most(c.rise) ?? undefined],
          [w.fall, most(c.fall) ?? undefined],
          [w.entered(c.top), moves.length > top ? number(c.entered) : undefined],
          [w.spearman, correlation(c.spearman)],
          [w.kendall, correlation(c.kendall)],
        ]}
      />
      <Candidates documents={documents} moves={moves} />
    </div>
  );
}
