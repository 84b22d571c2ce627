import { Run } from "../../parts/Run";
import { kinds, writeAndSave } from "./files";
import type { Result } from "./result";
import { words } from "./words";

/** Buttons that save the vectors as files. */
export function Exports({ result }: { result: Result }) {
  const w = words.value;
  return (
    <section class="card exports" aria-label={w.save}>
      <h2>{w.save}</h2>
      <p class="muted">{w.saveHint}</p>
      <div class="row">
        {kinds.map((kind) => (
          <Run key={kind} label={kind.toUpperCase()} work={(signal) => writeAndSave(kind, result, signal)} />
        ))}
      </div>
    </section>
  );
}
