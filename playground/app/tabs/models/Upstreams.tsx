import type { UpstreamHealth } from "../../api/types";
import { milliseconds, number } from "../../i18n/language";
import { DataTable, type Row } from "../../parts/DataTable";
import { State } from "./State";
import { clock } from "./units";
import { words } from "./words";

/** The servers behind this one, a row for each of their addresses. */
export function Upstreams({ upstreams, admin }: { upstreams: UpstreamHealth[]; admin: boolean }) {
  const w = words.value;
  if (upstreams.length === 0) return null;
  return (
    <section class="card" aria-labelledby="models-upstreams">
      <h2 id="models-upstreams">{w.upstreams}</h2>
      <DataTable
        caption={w.addresses}
        columns={[
          { key: "name", name: w.upstream },
          { key: "type", name: w.kind },
          { key: "state", name: w.state },
          ...(admin ? [{ key: "url", name: w.address }] : []),
          { key: "inFlight", name: w.inFlight, numeric: true },
          { key: "queued", name: w.waits, numeric: true },
          { key: "latency", name: w.answerTime, numeric: true },
          { key: "probe", name: w.probed },
        ]}
        rows={upstreams.flatMap(rowsOf)}
      />
    </section>
  );
}

function rowsOf(u: UpstreamHealth): Row[] {
  const w = words.value;
  const own: Row = { name: u.name, type: u.type, state: <State state={u.state} />, queued: number(u.queued) };
  if (u.endpoints.length === 0) return [{ ...own, url: w.nobody, inFlight: number(u.in_flight), latency: "–", probe: w.never }];
  return u.endpoints.map((e) => ({
    ...own,
    state: (
      <>
        <State state={e.state} />
        {e.reason && <small class="text"> {e.reason}</small>}
      </>
    ),
    url: e.url,
    inFlight: number(e.in_flight),
    latency: e.latency_ms > 0 ? milliseconds(e.latency_ms) : "–",
    probe: e.last_probe ? clock(new Date(e.last_probe)) : w.never,
  }));
}
