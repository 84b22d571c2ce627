// The shapes of the server's answers, as far as the page reads them; openapi.yaml has all.

export type Task = "embed" | "rerank" | "classify";

export interface Model {
  id: string;
  aliases?: string[];
  tasks: Task[];
  dimensions?: number;
  max_length?: number;
  score_kind?: string;
  variant?: string;
  backend?: string;
  state: string;
}

export interface Ranked {
  model: string;
  results: { index: number; relevance_score: number }[];
  meta?: { score_kind?: string };
  usage?: { total_tokens: number };
}

/** Counts since the server's start; what happened in between is their difference. */
export interface Activity {
  requests: number;
  failed: number;
  /** The time that the requests took, all together. */
  total_ms: number;
}

export interface ModelHealth {
  name: string;
  tasks: Task[];
  state: string;
  reason?: string;
  backend?: string;
  provider?: string;
  variant?: string;
  provider_share?: number;
  /** What it was tested with when it was loaded. */
  checked?: "references" | "company";
  notes?: string[];
  queue: { items: number; tokens: number; oldest_ms: number };
  activity: Activity;
}

export interface UpstreamHealth {
  name: string;
  type: string;
  state: string;
  in_flight: number;
  queued: number;
  endpoints: { url?: string; state: string; reason?: string; in_flight: number; latency_ms: number; last_probe: string | null }[];
}

/** The last reload of the configuration. */
export interface Reload {
  at: string;
  ok: boolean;
  problems?: string[];
}

export interface Health {
  status: string;
  version: string;
  uptime_seconds: number;
  runtime?: string;
  machine?: { os: string; arch: string; cores: number; instruction_set?: string[] };
  models: ModelHealth[];
  upstreams?: UpstreamHealth[];
  last_reload?: Reload;
}

export interface AdminModel extends ModelHealth {
  aliases: string[];
  cache: { hits: number; misses: number; bytes: number; entries: number };
  /** Where it runs, if this server starts and stops it. */
  container?: {
    state: string;
    in_flight: number;
    waiting: number;
    start_seconds: number | null;
    starts: number;
    crashes: number;
    reason?: string;
  };
}

export interface AdminModels {
  models: AdminModel[];
  upstreams: UpstreamHealth[];
}
