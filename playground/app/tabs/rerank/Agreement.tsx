import { fixed } from "../../i18n/language";
import { Facts } from "../../parts/Facts";
import { agree, type Agreement as Found } from "./agree";
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
  return (
    <section class="card">
      <h2>{w.agreement}</h2>
      <Facts
        facts={[
          [w.spearman, value(found.spearman)],
          [w.kendall, value(found.kendall)],
          [w.inBoth, w.of(found.common, found.of)],
        ]}
      />
      <p>
        {meaning(found)} {found.common === asked ? w.overAll : w.overCommon}
      </p>
    </section>
  );
}

/** Up to so many documents, chance alone often makes for strong correlations. */
const few = 4;

function meaning({ common, spearman }: Found): string {
  const w = words.value;
  if (common < 2) return w.tooFew;
  if (Number.isNaN(spearman)) return w.constant;
  return common <= few ? `${w.meaning} ${w.few}` : w.meaning;
}
