import type { JSX } from "preact";
import type { AdminModel, ModelHealth } from "../../api/types";
import { Sparkline } from "../../charts/Sparkline";
import { milliseconds, number } from "../../i18n/language";
import { Facts } from "../../parts/Facts";
import { stateName } from "../../parts/words";
import type { Past } from "./history";
import { State } from "./State";
import { bytes, percent } from "./units";
import { words } from "./words";

interface Props {
  model: ModelHealth | AdminModel;
  past: Past | undefined;
  /** What admins can do with it. */
  actions: JSX.Element | null;
}

/** One model: what runs it, what it has to do, and how fast it is. */
export function ModelCard({ model, past, actions }: Props) {
  const w = words.value;
  const now = past?.intervals.at(-1);
  const latencies = past?.intervals.map((i) => i?.latency ?? null) ?? [];
  return (
    <article class="card model" aria-label={model.name}>
      <div class="row between">
        <h3>{model.name}</h3>
        <State state={model.state} />
      </div>
      {model.reason && <p class="text muted">{model.reason}</p>}
      <Facts
        facts={[
          [w.rate, now ? number(now.rate, now.rate < 10 ? 1 : 0) : "–"],
          [w.queue, queueOf(model)],
          [w.requests, number(model.activity.requests)],
          [w.failed, number(model.activity.failed)],
        ]}
      />
      <div>
        <small>{w.latency}</small>
        <div>
          {latencies.some((ms) => ms !== null) ? <Sparkline title={`${model.name}, ${w.latency}`} values={latencies} unit="ms" /> : "–"}
        </div>
      </div>
      <Facts facts={runs(model)} />
      <Notes notes={model.notes} />
      {actions}
    </article>
  );
}

function queueOf({ queue }: ModelHealth): string {
  const w = words.value;
  if (queue.items === 0) return w.empty;
  const waits = w.queued(w.items(queue.items), w.tokens(queue.tokens));
  return queue.oldest_ms > 0 ? `${waits} (${w.waiting(milliseconds(queue.oldest_ms))})` : waits;
}

function runs(model: ModelHealth | AdminModel): [string, string | undefined][] {
  const w = words.value;
  const share = model.provider_share === undefined ? "" : ` (${w.share(percent(model.provider_share))})`;
  return [
    [w.tasks, model.tasks.join(", ")],
    [w.backend, model.backend],
    [w.provider, model.provider && model.provider + share],
    [w.variant, model.variant],
    [w.checked, model.checked && w[model.checked]],
    ...("cache" in model ? forAdmins(model) : []),
  ];
}

function forAdmins({ aliases, cache, container }: AdminModel): [string, string | undefined][] {
  const w = words.value;
  return [
    [w.aliases, aliases.join(", ") || undefined],
    [w.cache, cache.entries + cache.hits > 0 ? w.cached(number(cache.entries), bytes(cache.bytes), number(cache.hits)) : undefined],
    [w.container, container && w.containerFacts(stateName(container.state), number(container.starts), number(container.crashes))],
  ];
}

function Notes({ notes }: { notes: string[] | undefined }) {
  if (!notes?.length) return null;
  return (
    <details>
      <summary>{words.value.notes}</summary>
      <ul>
        {notes.map((note) => (
          <li key={note} class="text">
            {note}
          </li>
        ))}
      </ul>
    </details>
  );
}
