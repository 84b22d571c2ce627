import { signal, useSignal } from "@preact/signals";
import { useId, useMemo } from "preact/hooks";
import { key } from "../shell/key";
import { copy } from "./copy";
import { Problem } from "./Problem";
import { type Language, programs } from "./snippets/programs";
import { shorten } from "./snippets/shorten";
import { TabList } from "./TabList";
import { words } from "./words";

interface Props {
  path: "/v1/embeddings" | "/v1/rerank" | (string & {});
  /** What is sent. */
  body: unknown;
  /** What else is to be said of the call. */
  note?: string | undefined;
}

const languages = Object.keys(programs) as Language[];
const chosen = signal<Language>("curl");

/** The same call as a program to copy. The key is not in it: it comes from the environment. */
export function Snippets({ path, body, note }: Props) {
  const w = words.value;
  const prefix = useId();
  const language = chosen.value;
  const withKey = key.value !== "";
  const cut = useMemo(() => shorten(body), [body]);
  const text = programs[language]({ origin: location.origin, path, body: cut.body, key: withKey });
  return (
    <section class="card" aria-label={w.sameCall}>
      <div class="row between">
        <h2>{w.sameCall}</h2>
        <Copy text={text} />
      </div>
      <TabList
        label={w.programming}
        tabs={languages}
        name={(l) => l}
        current={language}
        prefix={prefix}
        open={(l) => {
          chosen.value = l;
        }}
      />
      {languages.map((l) => (
        <div
          key={l}
          role="tabpanel"
          id={`${prefix}-panel-${l}`}
          aria-labelledby={`${prefix}-tab-${l}`}
          hidden={l !== language}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard
          tabIndex={0}
          class="code"
        >
          {l === language && <pre>{text}</pre>}
        </div>
      ))}
      {note && <small>{note}</small>}
      {cut.items && <small>{w.firstItems(...cut.items)}</small>}
      {cut.texts > 0 && <small>{w.cutTexts(cut.texts)}</small>}
      {withKey && <small>{w.keyFrom("QUADRATE_API_KEY")}</small>}
    </section>
  );
}

function Copy({ text }: { text: string }) {
  const w = words.value;
  // What was copied; another text is not copied yet.
  const copied = useSignal<string | null>(null);
  const problem = useSignal<unknown>(null);
  const start = async () => {
    problem.value = null;
    try {
      await copy(text);
      copied.value = text;
    } catch (reason) {
      problem.value = reason;
    }
  };
  return (
    <div class="row">
      <small role="status">{copied.value === text ? w.copied : ""}</small>
      <button type="button" onClick={start}>
        {w.copy}
      </button>
      <Problem error={problem.value} />
    </div>
  );
}
