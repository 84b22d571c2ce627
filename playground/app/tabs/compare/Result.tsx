import { Problem } from "../../parts/Problem";
import { Agreements } from "./Agreements";
import { Costs } from "./Costs";
import { type Comparison, limits } from "./compare";
import { Disagreements } from "./Disagreements";
import { Maps } from "./Maps";
import { words } from "./words";

/** What a comparison has found. A model that failed stands with its error beside the others' results. */
export function Result({ comparison }: { comparison: Comparison }) {
  const w = words.value;
  const { texts, sides, failed, agreements } = comparison;
  return (
    <>
      {failed.map(({ model, error }) => (
        <section key={model} class="card">
          <h2>{w.failed(model)}</h2>
          <Problem error={error} />
        </section>
      ))}
      {sides.length < limits.models.min && <p class="notice">{w.alone}</p>}
      {agreements.length > 0 && <Agreements agreements={agreements} />}
      {sides.length > 0 && <Costs sides={sides} texts={texts.length} />}
      {sides.length > 0 && <Maps texts={texts} sides={sides} />}
      {agreements.length > 0 && <Disagreements texts={texts} sides={sides} agreements={agreements} />}
    </>
  );
}
