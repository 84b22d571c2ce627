import { afterEach, expect, test, vi } from "vitest";
import type { AdminModel, UpstreamHealth } from "../../api/types";
import { Changes, possible } from "./changes";

afterEach(() => vi.unstubAllGlobals());

const model = (state: string, more: Partial<AdminModel> = {}): AdminModel => ({
  name: "m",
  tasks: ["embed"],
  state,
  queue: { items: 0, tokens: 0, oldest_ms: 0 },
  activity: { requests: 0, failed: 0, total_ms: 0 },
  aliases: [],
  cache: { hits: 0, misses: 0, bytes: 0, entries: 0 },
  ...more,
});
const upstream: UpstreamHealth = { name: "tei", type: "tei", state: "ready", in_flight: 0, queued: 0, endpoints: [] };

test("what is in memory can be unloaded, what is not can be loaded, and what is on its way neither", () => {
  const changes = ["ready", "loading", "failed", "unavailable", "unloaded", "stopped"].map((state) => possible(model(state), [upstream]));
  expect(changes).toEqual(["unload", null, "load", "load", "load", "load"]);
});

test("another server's models are its own, unless it runs in a container of this one", () => {
  expect(possible(model("ready", { backend: "onnxruntime" }), [upstream])).toBe("unload");
  expect(possible(model("ready", { backend: "tei" }), [upstream])).toBeNull();
  const container = { state: "stopped", in_flight: 0, waiting: 0, start_seconds: null, starts: 0, crashes: 0 };
  expect(possible(model("stopped", { backend: "tei", container }), [upstream])).toBe("load");
});

test("one change of a model at a time, of several models at once", async () => {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (path: string) => {
    if (path.startsWith("/admin")) asked.push(path);
    return Response.json(path === "/v1/models" ? { data: [] } : model("ready"));
  });
  const after = vi.fn(async () => {});
  const changes = new Changes(after);
  const made = Promise.all([changes.make("a", "load"), changes.make("a", "unload"), changes.make("org/b", "load")]);
  expect([...changes.running.value]).toEqual([
    ["a", "load"],
    ["org/b", "load"],
  ]);
  await made;
  expect(asked).toEqual(["/admin/models/a/load", "/admin/models/org%2Fb/load"]);
  expect(changes.running.value.size).toBe(0);
  expect(after).toHaveBeenCalledTimes(2);
});
