import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { contents } from "./contents";
import { write, writeAndSave } from "./files";
import type { Result } from "./result";

/** What Comlink posts for a call, and how an answer to it looks (its wire format). */
interface Message {
  id: string;
  path: string[];
  argumentList: { value: unknown }[];
}

/** A worker whose answers the test gives. */
class FakeWorker extends EventTarget {
  static all: FakeWorker[] = [];
  posted: Message[] = [];
  terminated = false;
  constructor(
    readonly url: URL,
    readonly options: WorkerOptions,
  ) {
    super();
    FakeWorker.all.push(this);
  }
  postMessage(message: Message) {
    this.posted.push(message);
  }
  terminate() {
    this.terminated = true;
  }
  answer(value: unknown) {
    this.dispatchEvent(new MessageEvent("message", { data: { id: this.posted[0]?.id, type: "RAW", value } }));
  }
}

const result: Result = {
  texts: ["a", "=1+1"],
  batch: {
    data: Float32Array.of(0.1, 2, -3, 4),
    rows: 2,
    cols: 2,
    tokens: 4,
    requests: 1,
    took: 1,
    truncated: 0,
    model: "org/small",
    backend: "",
    timing: {},
    slowest: 1,
  },
};

beforeEach(() => {
  FakeWorker.all = [];
  vi.stubGlobal("Worker", FakeWorker);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const only = () => {
  expect(FakeWorker.all).toHaveLength(1);
  return FakeWorker.all[0] as FakeWorker;
};
const never = new AbortController().signal;

test("has a worker of its own write the file, and ends it", async () => {
  const written = write("json", result, never);
  const worker = only();
  expect(worker.posted[0]?.path).toEqual(["json"]);
  const { data, rows, cols } = result.batch;
  expect(worker.posted[0]?.argumentList.map((a) => a.value)).toEqual([result.texts, { data, rows, cols }, "org/small"]);
  const file = new Blob(["{}"]);
  worker.answer(file);
  expect(await written).toBe(file);
  expect(worker.terminated).toBe(true);
});

test("ends the worker when it is cancelled", async () => {
  const stop = new AbortController();
  const written = write("csv", result, stop.signal);
  stop.abort();
  await expect(written).rejects.toMatchObject({ name: "AbortError" });
  expect(only().terminated).toBe(true);
});

test("starts no worker for what was cancelled before", async () => {
  await expect(write("csv", result, AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
  expect(FakeWorker.all).toEqual([]);
});

test("tells when the worker fails, and does not wait for it forever", async () => {
  const written = write("csv", result, never);
  only().dispatchEvent(new ErrorEvent("error", { message: "refused to load" }));
  await expect(written).rejects.toThrow("refused to load");
  expect(only().terminated).toBe(true);
});

test("saves the file under the model's name, and lets go of it later", async () => {
  vi.useFakeTimers();
  const revoke = vi.spyOn(URL, "revokeObjectURL");
  const saved: [string, string][] = [];
  vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
    saved.push([this.download, this.href]);
  });
  const done = writeAndSave("npy", result, never);
  only().answer(new Blob(["x"]));
  await done;
  expect(saved).toEqual([["small-2.npy", expect.stringMatching(/^blob:/)]]);
  expect(revoke).not.toHaveBeenCalled();
  vi.advanceTimersByTime(60_000);
  expect(revoke).toHaveBeenCalledWith(saved[0]?.[1]);
});

test("the files hold the texts and their vectors", async () => {
  const { texts, batch } = result;
  expect(await contents.csv(texts, batch).text()).toContain(`"a",0.1,2\r\n"'=1+1",-3,4\r\n`);
  const json = JSON.parse(await contents.json(texts, batch, batch.model).text());
  expect(json).toEqual({
    model: "org/small",
    dimensions: 2,
    data: [
      { index: 0, text: "a", embedding: [0.1, 2] },
      { index: 1, text: "=1+1", embedding: [-3, 4] },
    ],
  });
  const npy = await contents.npy(texts, batch).arrayBuffer();
  expect(new Float32Array(npy.slice(-16))).toEqual(batch.data);
});
