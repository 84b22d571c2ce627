import { Facts } from "../../parts/Facts";
import type { Seen } from "./live";
import { State } from "./State";
import { duration, moment } from "./units";
import { words } from "./words";

/** What the server says of itself. */
export function Server({ seen }: { seen: Seen }) {
  const w = words.value;
  const { health, models } = seen;
  const { machine, last_reload: reload } = health;
  return (
    <section class="card" aria-labelledby="models-server">
      <div class="row">
        <h2 id="models-server">{w.server}</h2>
        <State state={health.status} />
      </div>
      <Facts
        facts={[
          [w.version, health.version],
          [w.uptime, duration(health.uptime_seconds)],
          [w.usable, w.of(models.filter((m) => m.state === "ready").length, models.length)],
          [w.runtime, health.runtime],
          [w.machine, machine && `${machine.os}/${machine.arch}, ${w.cores(machine.cores)}`],
          [w.instructions, machine?.instruction_set?.join(", ")],
          [w.reloaded, reload && `${moment(new Date(reload.at))}${reload.ok ? "" : ` (${w.reloadFailed})`}`],
        ]}
      />
      {reload?.problems && (
        <ul>
          {reload.problems.map((problem) => (
            <li key={problem} class="text">
              {problem}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
