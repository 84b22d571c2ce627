// Loading and unloading models, for admins.
import { signal } from "@preact/signals";
import { changeModel } from "../../api/calls";
import type { AdminModel, UpstreamHealth } from "../../api/types";
import { refreshModels } from "../../shell/models";

export type Change = "load" | "unload";

/** What became of a change. */
export interface Outcome {
  model: string;
  change: Change;
  /** Milliseconds that it took. */
  took: number;
  /** How the model is now; null: there was an error. */
  now: Pick<AdminModel, "state" | "reason"> | null;
  error: unknown;
}

/** What can be done with a model now; null: nothing, as it is on its way or another server's. */
export function possible(model: AdminModel, upstreams: readonly UpstreamHealth[]): Change | null {
  const elsewhere = upstreams.some((u) => u.name === model.backend);
  if ((elsewhere && !model.container) || model.state === "loading") return null;
  return model.state === "ready" ? "unload" : "load";
}

export class Changes {
  /** The changes that are being made, by model. */
  readonly running = signal<ReadonlyMap<string, Change>>(new Map());
  readonly outcome = signal<Outcome | null>(null);

  /** `after` asks how the models are once a change is made. */
  constructor(private readonly after: () => Promise<void>) {}

  /**
   * Makes a change, and waits until the server has made it. The server goes on with it when nobody waits any more,
   * so that there is nothing to cancel. It never throws.
   */
  async make(model: string, change: Change): Promise<void> {
    if (this.running.value.has(model)) return;
    this.running.value = new Map(this.running.value).set(model, change);
    this.outcome.value = null;
    const started = performance.now();
    let now: Outcome["now"] = null;
    let error: unknown = null;
    try {
      now = (await changeModel(model, change)).data;
    } catch (reason) {
      error = reason;
    }
    const took = performance.now() - started;
    await Promise.all([this.after(), refreshModels()]);
    const left = new Map(this.running.value);
    left.delete(model);
    this.running.value = left;
    this.outcome.value = { model, change, took, now, error };
  }
}
