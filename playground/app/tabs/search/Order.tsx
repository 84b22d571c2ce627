import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { number } from "../../i18n/language";
import { ScoreBar } from "../../parts/ScoreBar";
import { digitsOf, type Scale } from "../../parts/scores";
import { words } from "./words";

/** A document at its place; its index is among all. */
export interface Entry {
  document: number;
  text: string;
  score: number;
  note?: ComponentChildren;
}

interface Props {
  title: string;
  /** Whose order it is, and what the scores are. */
  about: string[];
  /** Best first. */
  entries: Entry[];
  scale: Scale;
  /** How many are shown. */
  shown: number;
  marked?: number | undefined;
  /** Finds a document in the other list; undefined: there is none. */
  find?: ((document: number) => void) | undefined;
}

/** One order of documents, with their scores. */
export function Order({ title, about, entries, scale, shown, marked, find }: Props) {
  const w = words.value;
  const heading = useId();
  return (
    <div class="card">
      <div>
        <h2 id={heading}>{title}</h2>
        {about.map((line) => (
          <small key={line} class="about">
            {line}
          </small>
        ))}
      </div>
      <ol class="ranked" aria-labelledby={heading}>
        {entries.slice(0, shown).map(({ document, text, score, note }, i) => (
          <li key={document} class={document === marked ? "marked" : undefined}>
            <span class="rank">{number(i + 1)}</span>
            <div class="body">
              <div class="text">{text}</div>
              <small class="row">
                {find ? (
                  <button
                    type="button"
                    class="plain"
                    data-document={document}
                    aria-label={w.find(document + 1)}
                    title={w.find(document + 1)}
                    onClick={() => find(document)}
                  >
                    {w.name(document + 1)}
                  </button>
                ) : (
                  w.name(document + 1)
                )}
                {note}
              </small>
            </div>
            <div class="score">
              <ScoreBar value={score} min={scale.min} max={scale.max} digits={digitsOf(score)} />
            </div>
          </li>
        ))}
      </ol>
    </div>
  );
}
