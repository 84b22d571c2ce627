// The page's arithmetic, done in a worker, so that the page never waits for it.
import * as Comlink from "comlink";
import { workerFailed } from "../shell/loading";
import type { Arithmetic } from "./worker";

/** The same functions as the worker's; each answers when the worker has. Arguments are copied to it. */
type Remote = { [F in keyof Arithmetic]: (...args: Parameters<Arithmetic[F]>) => Promise<ReturnType<Arithmetic[F]>> };

interface Started {
  remote: Comlink.Remote<Arithmetic>;
  /** Rejects when the worker fails as a whole, such as when it cannot be loaded; calls would wait forever then. */
  failed: Promise<never>;
}

let started: Started | null = null;

/** Starts the worker with the first call; after a failure, anew with the next one. */
function start(): Started {
  if (started) return started;
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "math" });
  const failed = new Promise<never>((_, reject) => {
    worker.addEventListener("error", (event) => {
      started = null;
      worker.terminate();
      reject(workerFailed("worker.js", event));
    });
  });
  // Whoever waits hears of it below; nobody may be waiting.
  failed.catch(() => {});
  started = { remote: Comlink.wrap<Arithmetic>(worker), failed };
  return started;
}

function inWorker<T>(call: (remote: Comlink.Remote<Arithmetic>) => Promise<T>): Promise<T> {
  const { remote, failed } = start();
  return Promise.race([call(remote), failed]);
}

export const math: Remote = {
  cosine: (v) => inWorker((m) => m.cosine(v)),
  cluster: (similarity, n) => inWorker((m) => m.cluster(similarity, n)),
  project: (v) => inWorker((m) => m.project(v)),
  nearest: (v, query, k) => inWorker((m) => m.nearest(v, query, k)),
  agreement: (a, b, n, top) => inWorker((m) => m.agreement(a, b, n, top)),
};
