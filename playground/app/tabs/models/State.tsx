import { stateName } from "../../parts/words";

const looks = new Map(
  Object.entries({
    ready: "good",
    failed: "bad",
    unhealthy: "bad",
    ejected: "bad",
    "not ready": "warn",
    loading: "warn",
    unavailable: "warn",
    draining: "warn",
    probing: "warn",
  }),
);

/** A state as a word in a frame, whose colour says the same. */
export const State = ({ state }: { state: string }) => <span class={`badge ${looks.get(state) ?? ""}`}>{stateName(state)}</span>;
