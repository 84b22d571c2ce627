// The page's arithmetic, done in a worker, so that the page never waits for it.
import * as Comlink from "comlink";
import type { Arithmetic } from "./worker";

const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "math" });

export const math = Comlink.wrap<Arithmetic>(worker);
