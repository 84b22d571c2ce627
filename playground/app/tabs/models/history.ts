// What happened between answers of /health: the differences of counts that only grow.
import type { Activity, ModelHealth } from "../../api/types";

export interface Interval {
  /** Requests per second. */
  rate: number;
  /** The mean time of a request in ms; null: there was none. */
  latency: number | null;
}

/** A model's last counts and, in order of time, its intervals; null: not known what happened then. */
export interface Past {
  last: Activity;
  intervals: (Interval | null)[];
}

export interface History {
  /** Seconds since the server's start, by its own clock. */
  uptime: number;
  models: ReadonlyMap<string, Past>;
}

/** So many intervals are kept. */
export const kept = 60;

/** Answers that are fewer seconds apart make no interval of their own. */
export const shortest = 1;

/** An interval of more seconds is no interval: nobody looked. */
export const longest = 8;

/** Adds what the server says now to what it said before. A server that was started anew has no history. */
export function extend(before: History | null, uptime: number, models: readonly ModelHealth[]): History {
  const known = before && uptime >= before.uptime ? before : null;
  const elapsed = known ? uptime - known.uptime : 0;
  if (known && elapsed < shortest) return known;
  const next = new Map<string, Past>();
  for (const { name, activity } of models) {
    const past = known?.models.get(name);
    next.set(name, { last: activity, intervals: past ? [...past.intervals, between(past.last, activity, elapsed)].slice(-kept) : [] });
  }
  return { uptime, models: next };
}

/** Counts that have gone back were begun anew, of which the difference says nothing. */
function between(from: Activity, to: Activity, seconds: number): Interval | null {
  const requests = to.requests - from.requests;
  const ms = to.total_ms - from.total_ms;
  if (seconds > longest || requests < 0 || ms < 0) return null;
  return { rate: requests / seconds, latency: requests > 0 ? ms / requests : null };
}
