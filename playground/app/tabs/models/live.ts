// What the tab knows of the server, as of its last answer.
import { signal } from "@preact/signals";
import { adminModels, health } from "../../api/calls";
import { ApiError } from "../../api/http";
import type { AdminModel, AdminModels, Health, ModelHealth, UpstreamHealth } from "../../api/types";
import { key } from "../../shell/key";
import { extend, type History } from "./history";
import { within } from "./poll";

export interface Seen {
  health: Health;
  /** With what only admins see where `admin` is true. */
  models: (ModelHealth | AdminModel)[];
  upstreams: UpstreamHealth[];
  admin: boolean;
  history: History;
  /** When the answer came. */
  at: Date;
}

/** How long an answer is waited for, in ms. */
export const patience = 10_000;

/** Refusals that say that a key is no admin's, or that there are no such routes. */
const notForThisKey = [401, 403, 404];

export class Live {
  /** The last answer; it stays while the server cannot be reached. */
  readonly seen = signal<Seen | null>(null);
  /** Why there was no answer; null: there was. */
  readonly lost = signal<unknown>(null);
  /** The key that was refused, which is not tried again. */
  private refused = "";

  /** Asks once. It never throws. */
  readonly ask = async (stopped: AbortSignal): Promise<void> => {
    try {
      const [now, admin] = await within(patience, stopped, (s) => Promise.all([health(s), this.asAdmin(s)]));
      if (stopped.aborted) return;
      const models = admin?.models ?? now.models;
      this.seen.value = {
        health: now,
        models,
        upstreams: admin?.upstreams ?? now.upstreams ?? [],
        admin: admin !== null,
        history: extend(this.seen.value?.history ?? null, now.uptime_seconds, models),
        at: new Date(),
      };
      this.lost.value = null;
    } catch (reason) {
      if (!stopped.aborted) this.lost.value = reason;
    }
  };

  /** What admins see; null: the caller is none. */
  private async asAdmin(s: AbortSignal): Promise<AdminModels | null> {
    const mine = key.value;
    if (!mine || mine === this.refused) return null;
    try {
      return await adminModels(s);
    } catch (reason) {
      if (!(reason instanceof ApiError) || !notForThisKey.includes(reason.status)) throw reason;
      this.refused = mine;
      return null;
    }
  }
}
