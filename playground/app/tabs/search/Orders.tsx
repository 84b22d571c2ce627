import { useSignal } from "@preact/signals";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { More } from "../../parts/More";
import { Shift } from "../../parts/Shift";
import { kindName, scaleOf } from "../../parts/scores";
import { gain } from "./moves";
import { type Entry, Order } from "./Order";
import type { Found, Reranked } from "./retrieval";
import { words } from "./words";

/** So many of each list are shown at first, and so many more each time that more are asked for. */
const page = 50;

interface Props {
  found: Found;
  /** null: there is no reranker's order, or not yet. */
  reranked: Reranked | null;
}

/** A document that was looked for, and the list that it was looked for in. */
interface Mark {
  document: number;
  list: 0 | 1;
}

/** The order of retrieval and the reranker's order, side by side. */
export function Orders({ found, reranked }: Props) {
  const w = words.value;
  const before = useBefore(found, reranked);
  const after = useAfter(found, reranked);
  const shown = useSignal(page);
  const marked = useSignal<Mark | null>(null);
  const frame = useRef<HTMLDivElement>(null);
  const mark = marked.value;
  const find = (document: number, entries: Entry[], list: 0 | 1) => {
    const place = entries.findIndex((entry) => entry.document === document);
    shown.value = Math.max(shown.value, Math.ceil((place + 1) / page) * page);
    marked.value = { document, list };
  };
  // The entry is there once it is drawn.
  useLayoutEffect(() => {
    if (!mark) return;
    const list = frame.current?.querySelectorAll("ol")[mark.list];
    list?.querySelector<HTMLElement>(`[data-document="${mark.document}"]`)?.focus();
  }, [mark]);
  const common = { shown: shown.value, marked: mark?.document };
  const { embedder, reranker } = found.asked;
  return (
    <div class="orders stack" ref={frame}>
      <div class="columns two">
        <Order
          {...common}
          title={w.retrieved}
          about={[embedder, w.scores(kindName("cosine"))]}
          entries={before}
          scale={scaleOf("cosine", before.map(scoreOf))}
          find={reranked ? (document) => find(document, after, 1) : undefined}
        />
        {reranked && (
          <Order
            {...common}
            title={w.reranked}
            about={[reranker, ...(reranked.kind ? [w.scores(kindName(reranked.kind))] : [])]}
            entries={after}
            scale={scaleOf(reranked.kind, after.map(scoreOf))}
            find={(document) => find(document, before, 0)}
          />
        )}
      </div>
      <More
        shown={shown.value}
        total={before.length}
        step={page}
        onMore={() => {
          shown.value += page;
        }}
      />
    </div>
  );
}

const scoreOf = (entry: Entry) => entry.score;

function useBefore({ asked, hits }: Found, reranked: Reranked | null): Entry[] {
  const w = words.value;
  return useMemo(() => {
    const places = new Map(reranked?.moves.map((m) => [m.document, m.after]));
    return hits.map(({ index, score }) => {
      const place = places.get(index);
      return { document: index, text: asked.documents[index] ?? "", score, note: place && <span>{w.becomes(place)}</span> };
    });
  }, [asked, hits, reranked, w]);
}

function useAfter({ asked }: Found, reranked: Reranked | null): Entry[] {
  const w = words.value;
  return useMemo(
    () =>
      (reranked?.moves ?? []).map((m) => ({
        document: m.document,
        text: asked.documents[m.document] ?? "",
        score: m.score,
        note: (
          <>
            <Shift gain={gain(m)} />
            {gain(m) !== 0 && <span>{w.was(m.before)}</span>}
          </>
        ),
      })),
    [asked, reranked, w],
  );
}
