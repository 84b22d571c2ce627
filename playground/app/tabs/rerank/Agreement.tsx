import { fixed } from "../../i18n/language";
import { Facts } from "../../parts/Facts";
import { agree } from "./agree";
import type { Results } from "./ranking";
import { words } from "./words";

interface Props {
  a: Results;
  b: Results;
  /** How many documents were asked about. */
  asked: number;
}

/** The rank correlation of two rerankers, and what it is over. */
export function Agreement({ a, b, asked }: Props) {
  const w = words.value;
  const found = agree(a, b);
  const value = (n: number) => (Number.isNaN(n) ? w.undefinedValue : fixed(n, 3));
  const why = () => {
    if (found.common < 2) return w.tooFew;
    return Number.isNaN(found.spearman) ? w.constant : w.meaning;
  };
  return (
    <section class="card">
      <h2>{w.agreement}</h2>
      <Facts
        facts={[
          [w.spearman, value(found.spearman)],
          [w.kendall, value(found.kendall)],
          [w.inBoth, w.returnedOf(found.common, found.of)],
        ]}
      />
      <p>
        {why()} {found.common === asked ? w.overAll : w.overCommon}
      </p>
    </section>
  );
}
