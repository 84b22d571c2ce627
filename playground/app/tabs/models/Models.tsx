import "./models.css";
import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { ApiError } from "../../api/http";
import { Check } from "../../parts/Check";
import { key } from "../../shell/key";
import { refreshModels } from "../../shell/models";
import { Changes } from "./changes";
import { Live } from "./live";
import { ModelList } from "./ModelList";
import { poll } from "./poll";
import { Server } from "./Server";
import { useShown } from "./shown";
import { Upstreams } from "./Upstreams";
import { clock } from "./units";
import { words } from "./words";

/** How long after an answer the server is asked again, in ms. */
const every = 2000;
/** How long the typing of a key is waited for, in ms. */
const typing = 400;

/** How the models are, as long as somebody looks. */
export function Models() {
  const w = words.value;
  const root = useRef<HTMLDivElement>(null);
  const live = useMemo(() => new Live(), []);
  const changes = useMemo(() => new Changes(() => live.ask(new AbortController().signal)), [live]);
  const shown = useShown(root);
  const on = useSignal(true);
  const watching = useComputed(() => shown.value && on.value);
  const settled = useSettled();
  useEffect(() => (watching.value ? poll(live.ask, every) : undefined), [live, watching.value, settled.value]);
  useOthersFollow(live);
  const seen = live.seen.value;
  return (
    <div class="stack" ref={root}>
      <div class="row between">
        <Check label={w.live(every / 1000)} checked={on.value} onChange={(checked) => (on.value = checked)} />
        {seen && <small>{w.asOf(clock(seen.at))}</small>}
      </div>
      <Lost live={live} />
      {seen ? (
        <>
          <Server seen={seen} />
          <ModelList seen={seen} changes={changes} />
          <Upstreams upstreams={seen.upstreams} admin={seen.admin} />
        </>
      ) : (
        live.lost.value === null && <p role="status">{w.loading}</p>
      )}
    </div>
  );
}

/** The key once its typing has paused: a half of one is not asked with. */
function useSettled() {
  const settled = useSignal(key.value);
  useSignalEffect(() => {
    const now = key.value;
    const timer = setTimeout(() => {
      settled.value = now;
    }, typing);
    return () => clearTimeout(timer);
  });
  return settled;
}

/** Has the other tabs' lists asked for anew when a model has come, gone or changed its state. */
function useOthersFollow(live: Live) {
  const states = useComputed(() => live.seen.value?.models.map((m) => `${m.name}\n${m.state}`).join("\n"));
  const before = useRef<string | undefined>(undefined);
  useSignalEffect(() => {
    const now = states.value;
    if (before.current !== undefined && now !== before.current) refreshModels();
    before.current = now;
  });
}

/** Says that the server cannot be reached, once, however often it is asked. */
function Lost({ live }: { live: Live }) {
  const w = words.value;
  const reason = live.lost.value;
  if (reason === null) return null;
  const seen = live.seen.value;
  const said =
    reason instanceof ApiError && reason.status
      ? `${reason.status} ${reason.message}`
      : reason instanceof Error
        ? reason.message
        : String(reason);
  return (
    <div class="problem" role="alert">
      <p>
        <strong>{w.lost}</strong> {said}
      </p>
      <p>{seen ? w.lostSince(clock(seen.at)) : w.lostNever}</p>
    </div>
  );
}
