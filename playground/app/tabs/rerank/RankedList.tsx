import { useSignal } from "@preact/signals";
import { number } from "../../i18n/language";
import { More } from "../../parts/More";
import { ScoreBar } from "../../parts/ScoreBar";
import { Shift } from "../../parts/Shift";
import { digitsOf, type Scale } from "../../parts/scores";
import type { Row } from "./ranking";
import { words } from "./words";

interface Props {
  /** What the list is, for screen readers. */
  label: string;
  rows: Row[];
  scale: Scale;
  /** The reranker that the list is held against; undefined: there is none. */
  other: string | undefined;
}

/** So many documents are shown at first, and so many more each time: a server may rank many thousands. */
const page = 100;

/** A ranked list with score bars and with what moved. */
export function RankedList({ label, rows, scale, other }: Props) {
  const w = words.value;
  const limit = useSignal(page);
  return (
    <>
      <ol class="ranked" aria-label={label}>
        {rows.slice(0, limit.value).map((row) => (
          <li key={row.index}>
            <span class="rank">
              {number(row.position)}
              {row.tied && <Tied />}
            </span>
            <div class="body">
              <Document text={row.document} />
              <small class="row">
                <Shift gain={row.change} />
                <span>{w.entered(row.entered)}</span>
                {other && <span>{w.elsewhere(other, row.other)}</span>}
              </small>
            </div>
            <div class="score">
              <ScoreBar value={row.score} min={scale.min} max={scale.max} digits={digitsOf(row.score)} />
            </div>
          </li>
        ))}
      </ol>
      <More
        shown={limit.value}
        total={rows.length}
        step={page}
        onMore={() => {
          limit.value += page;
        }}
      />
    </>
  );
}

const Tied = () => (
  <>
    <span aria-hidden="true"> =</span>
    <span class="visually-hidden"> {words.value.tied}</span>
  </>
);

/** Characters of a document that are shown before it is opened. */
const brief = 280;

function Document({ text }: { text: string }) {
  if (text.length <= brief) return <p class="text">{text}</p>;
  return (
    <>
      <p class="text">{beginning(text)} …</p>
      <details>
        <summary>{words.value.whole}</summary>
        <p class="text">{text}</p>
      </details>
    </>
  );
}

/** The first characters, without half of a surrogate pair at the end. */
function beginning(text: string): string {
  const cut = text.slice(0, brief);
  return cut.replace(/[\uD800-\uDBFF]$/, "").trimEnd();
}
