import * as Comlink from "comlink";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { cluster } from "./cluster";

/** A worker in this thread: what it is sent goes through a channel, as structured clones. */
class LocalWorker extends EventTarget {
  static started: LocalWorker[] = [];
  terminated = false;
  private readonly channel = new MessageChannel();

  constructor(
    readonly url: URL,
    readonly options: WorkerOptions,
  ) {
    super();
    LocalWorker.started.push(this);
    Comlink.expose(LocalWorker.functions, this.channel.port2);
    this.channel.port1.onmessage = ({ data }) => this.dispatchEvent(new MessageEvent("message", { data }));
  }

  static functions: Record<string, unknown> = {};

  postMessage(message: unknown, transfer: Transferable[]) {
    this.channel.port1.postMessage(message, transfer);
  }

  terminate() {
    this.terminated = true;
    this.channel.port1.close();
  }
}

beforeEach(() => {
  vi.resetModules();
  LocalWorker.started = [];
  LocalWorker.functions = { cluster, project: () => new Promise(() => {}) };
  vi.stubGlobal("Worker", LocalWorker);
});
afterEach(() => {
  for (const worker of LocalWorker.started) worker.terminate();
  vi.unstubAllGlobals();
});

const load = async () => (await import("./index")).math;

it("starts one worker, with the first call", async () => {
  const math = await load();
  expect(LocalWorker.started).toHaveLength(0);
  expect(await math.cluster(new Float32Array(9).fill(1), 3)).toEqual([0, 1, 2]);
  expect(await math.cluster(new Float32Array(4).fill(1), 2)).toEqual([0, 1]);
  expect(LocalWorker.started).toHaveLength(1);
  expect(LocalWorker.started[0]?.options).toMatchObject({ type: "module" });
});

it("throws what the function throws, and goes on", async () => {
  const math = await load();
  await expect(math.cluster(new Float32Array(1), 3)).rejects.toThrow("3×3");
  expect(await math.cluster(new Float32Array(4).fill(1), 2)).toEqual([0, 1]);
});

it("rejects what waits when the worker fails, and starts another with the next call", async () => {
  const math = await load();
  const waiting = math.project({ data: new Float32Array(0), rows: 0, cols: 0 });
  const failure = Object.assign(new Event("error"), { message: "out of memory" });
  LocalWorker.started[0]?.dispatchEvent(failure);
  await expect(waiting).rejects.toThrow("out of memory");
  expect(LocalWorker.started[0]?.terminated).toBe(true);
  expect(await math.cluster(new Float32Array(4).fill(1), 2)).toEqual([0, 1]);
  expect(LocalWorker.started).toHaveLength(2);
});
