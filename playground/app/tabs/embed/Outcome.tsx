import { useState } from "preact/hooks";
import { Facts } from "../../parts/Facts";
import { Exports } from "./Exports";
import { Nearest } from "./Nearest";
import { Projection } from "./Projection";
import { factsOf, type Result } from "./result";
import { Similarity } from "./Similarity";
import { words } from "./words";

/** What one run has found. The text that is chosen is the same in all its parts. */
export function Outcome({ result }: { result: Result }) {
  const w = words.value;
  const [chosen, choose] = useState(0);
  return (
    <>
      <section class="card" aria-label={w.result}>
        <h2>{w.result}</h2>
        <Facts facts={factsOf(result)} />
      </section>
      <div class="columns wide">
        <Similarity result={result} />
        <Projection result={result} chosen={chosen} choose={choose} />
      </div>
      <Nearest result={result} chosen={chosen} choose={choose} />
      <Exports result={result} />
    </>
  );
}
