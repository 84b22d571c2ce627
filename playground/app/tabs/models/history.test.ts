import { expect, test } from "vitest";
import type { ModelHealth } from "../../api/types";
import { extend, type History, kept, longest } from "./history";

const model = (name: string, requests: number, total_ms: number): ModelHealth => ({
  name,
  tasks: ["embed"],
  state: "ready",
  queue: { items: 0, tokens: 0, oldest_ms: 0 },
  activity: { requests, failed: 0, total_ms },
});

/** The history of answers, each with its uptime and models. */
const after = (...answers: [uptime: number, ...models: ModelHealth[]][]): History =>
  answers.reduce<History | null>((h, [uptime, ...models]) => extend(h, uptime, models), null) as History;

const of = (h: History, name: string) => h.models.get(name)?.intervals;

test("an interval is the difference of two answers", () => {
  const h = after([10, model("a", 100, 5000)], [12, model("a", 110, 5250)], [16, model("a", 110, 5250)], [18, model("a", 111, 5251.5)]);
  expect(of(h, "a")).toEqual([
    { rate: 5, latency: 25 },
    { rate: 0, latency: null },
    { rate: 0.5, latency: 1.5 },
  ]);
});

test("one answer tells no interval, however much was counted before", () => {
  expect(of(after([3600, model("a", 1e6, 1e8)]), "a")).toEqual([]);
});

test("a server that was started anew has no history", () => {
  const h = after([100, model("a", 50, 500)], [102, model("a", 60, 600)], [1, model("a", 2, 30)], [3, model("a", 4, 50)]);
  expect(of(h, "a")).toEqual([{ rate: 1, latency: 10 }]);
});

test("counts that went back to zero while the server ran on make a gap", () => {
  const h = after([10, model("a", 50, 500)], [12, model("a", 3, 30)], [14, model("a", 5, 40)]);
  expect(of(h, "a")).toEqual([null, { rate: 1, latency: 5 }]);
  // As many requests as before, in less time: those are other requests.
  expect(of(after([10, model("a", 5, 500)], [12, model("a", 5, 30)]), "a")).toEqual([null]);
});

test("a model that vanished is forgotten, and begins anew when it is back", () => {
  const h = after([10, model("a", 1, 1), model("b", 1, 1)], [12, model("a", 3, 3)]);
  expect([...h.models.keys()]).toEqual(["a"]);
  const back = extend(extend(h, 14, [model("a", 3, 3), model("b", 9, 90)]), 16, [model("a", 3, 3), model("b", 11, 94)]);
  expect(of(back, "b")).toEqual([{ rate: 1, latency: 2 }]);
});

test("a time in which nobody looked makes a gap", () => {
  const h = after([10, model("a", 0, 0)], [10 + longest + 1, model("a", 90, 900)], [21, model("a", 92, 904)]);
  expect(of(h, "a")).toEqual([null, { rate: 1, latency: 2 }]);
});

test("answers right after one another count as one", () => {
  const h = after([10, model("a", 0, 0)], [10.2, model("a", 1, 7)], [12, model("a", 4, 28)]);
  expect(of(h, "a")).toEqual([{ rate: 2, latency: 7 }]);
});

test("the oldest intervals are dropped", () => {
  let h: History | null = null;
  for (let i = 0; i <= kept + 5; i++) h = extend(h, 2 * i, [model("a", i * i, i * i)]);
  const intervals = of(h as History, "a") ?? [];
  expect(intervals).toHaveLength(kept);
  expect(intervals.at(-1)?.rate).toBe(((kept + 5) ** 2 - (kept + 4) ** 2) / 2);
});
