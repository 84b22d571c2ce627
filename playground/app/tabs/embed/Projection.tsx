import { Scatter } from "../../charts/Scatter";
import { math } from "../../math";
import type { Projection as Plane } from "../../math/project";
import { useLater } from "./later";
import { percent, type Result } from "./result";
import { Waiting } from "./Waiting";
import { words } from "./words";

interface Props {
  result: Result;
  /** The index of the text that is pointed out. */
  chosen: number;
  choose: (index: number) => void;
}

/** Two texts always lie on a line. */
const fewest = 3;

/** All texts in the plane in which their vectors differ most. */
export function Projection(props: Props) {
  const w = words.value;
  const { texts, batch } = props.result;
  const { data, rows, cols } = batch;
  const later = useLater(async () => (texts.length < fewest ? null : await math.project({ data, rows, cols })), [batch]);
  return (
    <section class="card" aria-label={w.projection}>
      <h2>{w.projection}</h2>
      <Waiting for={later}>{(plane) => (plane ? <Points {...props} plane={plane} /> : <p>{w.needsThree}</p>)}</Waiting>
    </section>
  );
}

function Points({ result, chosen, choose, plane }: Props & { plane: Plane }) {
  const w = words.value;
  const [x, y] = plane.explained;
  if (x <= 0) return <p>{w.flat}</p>;
  return (
    <>
      <p class="muted">{w.projectionHint(percent(x), percent(y))}</p>
      <Scatter
        title={w.byContent}
        points={plane.points}
        labels={result.texts}
        axes={[w.component("1", percent(x)), w.component("2", percent(y))]}
        chosen={chosen}
        onPick={choose}
      />
    </>
  );
}
