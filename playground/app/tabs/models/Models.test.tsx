import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { AdminModel, ModelHealth } from "../../api/types";
import { choose } from "../../i18n/language";
import { key } from "../../shell/key";
import { Models } from "./Models";

// A canvas is not drawn here; what the line would show is.
vi.mock("../../charts/Sparkline", () => ({
  Sparkline: ({ title, values }: { title: string; values: (number | null)[] }) => (
    <output aria-label={title}>{JSON.stringify(values)}</output>
  ),
}));

/** Plays the server: its models, whether it answers, and what it was asked. */
class Server {
  models: ModelHealth[] = [];
  uptime = 100;
  status = "ready";
  up = true;
  admin = "admin-key";
  asked: string[] = [];
  refusal: { status: number; message: string } | null = null;
  /** Set: changes wait until it is called. */
  finish: (() => void) | null = null;

  readonly fetch = async (path: string, init: RequestInit): Promise<Response> => {
    this.asked.push(`${init.method} ${path}`);
    if (!this.up) throw new TypeError("Failed to fetch");
    const mine = new Headers(init.headers).get("Authorization") === `Bearer ${this.admin}`;
    if (path === "/health") {
      const body = { status: this.status, version: "1.2.3", uptime_seconds: this.uptime, models: this.models };
      return Response.json(body, { status: this.status === "ready" ? 200 : 503 });
    }
    if (path === "/v1/models") return Response.json({ data: [] });
    if (!mine) return Response.json({ error: { message: "this route is for admins", code: "admin_only" } }, { status: 403 });
    if (path === "/admin/models") return Response.json({ models: this.models.map(forAdmins), upstreams: [], last_reload: null });
    return this.change(path);
  };

  private async change(path: string): Promise<Response> {
    if (this.refusal) return Response.json({ error: { message: this.refusal.message, code: "x" } }, { status: this.refusal.status });
    if (this.finish) await new Promise<void>((resolve) => (this.finish = resolve));
    const [, name, change] = /^\/admin\/models\/([^/]+)\/(load|unload)$/.exec(path) ?? [];
    const model = this.models.find((m) => m.name === decodeURIComponent(name ?? ""));
    if (!model) return Response.json({}, { status: 404 });
    if (change === "unload") model.state = "unloaded";
    else if (!model.reason) model.state = "ready";
    return Response.json(forAdmins(model));
  }

  count = (what: string) => this.asked.filter((a) => a === what).length;
}

const forAdmins = (m: ModelHealth): AdminModel => ({ ...m, aliases: [], cache: { hits: 0, misses: 0, bytes: 0, entries: 0 } });
const model = (name: string, requests = 0, total_ms = 0): ModelHealth => ({
  name,
  tasks: ["embed"],
  state: "ready",
  backend: "onnxruntime",
  queue: { items: 0, tokens: 0, oldest_ms: 0 },
  activity: { requests, failed: 0, total_ms },
});

let server: Server;
/** Says whether the tab is the one that is shown. */
let show: (shown: boolean) => void;
let visibility: DocumentVisibilityState;

beforeEach(() => {
  vi.useFakeTimers();
  choose("en");
  key.value = "";
  visibility = "visible";
  server = new Server();
  server.models = [model("org/a"), model("b")];
  vi.stubGlobal("fetch", server.fetch);
  vi.spyOn(document, "visibilityState", "get").mockImplementation(() => visibility);
  vi.stubGlobal(
    "IntersectionObserver",
    class {
      constructor(tell: (entries: { isIntersecting: boolean }[]) => void) {
        show = (isIntersecting) => tell([{ isIntersecting }]);
      }
      observe() {}
      disconnect() {}
    },
  );
});
afterEach(async () => {
  cleanup();
  await settle();
  expect(vi.getTimerCount(), "timers that were left behind").toBe(0);
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const wait = (ms: number) => vi.advanceTimersByTimeAsync(ms);
/** Has what was changed drawn, which takes a frame or two. */
const settle = () => wait(100);
async function open() {
  render(<Models />);
  await wait(500);
  show(true);
  await settle();
}
function turn(to: DocumentVisibilityState) {
  visibility = to;
  document.dispatchEvent(new Event("visibilitychange"));
}
/** What a model's card says. */
const card = (name: string) => screen.queryByRole("article", { name })?.textContent ?? null;
const line = (name: string) => JSON.parse(screen.queryByLabelText(`${name}, Mean latency`)?.textContent ?? "null");
/** The server has run for so many seconds more, and answered so many requests of a model. */
function pass(seconds: number, name: string, requests: number, ms: number) {
  server.uptime += seconds;
  const a = server.models.find((m) => m.name === name)?.activity;
  if (!a) throw new Error(`no model ${name}`);
  a.requests += requests;
  a.total_ms += ms;
}

test("nothing is asked before somebody looks, then every two seconds", async () => {
  render(<Models />);
  await wait(60_000);
  expect(server.asked).toEqual([]);
  show(true);
  await settle();
  expect(server.asked).toEqual(["GET /health"]);
  expect(card("org/a")).toContain("onnxruntime");
  await wait(6000);
  expect(server.count("GET /health")).toBe(4);
});

test("nothing is asked while the page is hidden, another tab is shown, or it is switched off", async () => {
  await open();
  for (const [stop, go] of [
    [() => turn("hidden"), () => turn("visible")],
    [() => show(false), () => show(true)],
    [() => fireEvent.click(screen.getByRole("checkbox")), () => fireEvent.click(screen.getByRole("checkbox"))],
  ] as const) {
    stop();
    await settle();
    const before = server.count("GET /health");
    await wait(60_000);
    expect(server.count("GET /health")).toBe(before);
    go();
    await settle();
    expect(server.count("GET /health")).toBe(before + 1);
  }
});

test("rates and latencies are those of each interval", async () => {
  await open();
  expect(card("org/a")).toContain("Requests/s–");
  expect(line("org/a")).toBeNull();
  pass(2, "org/a", 8, 100);
  await wait(2000);
  expect(card("org/a")).toContain("Requests/s4");
  expect(line("org/a")).toEqual([12.5]);
  pass(2, "org/a", 0, 0);
  await wait(2000);
  expect(card("org/a")).toContain("Requests/s0");
  expect(line("org/a")).toEqual([12.5, null]);
  expect(line("b"), "nothing was asked of it").toBeNull();
});

test("a server that is gone is told once, what was seen stays, and it is asked until it is back", async () => {
  await open();
  server.up = false;
  await wait(2000);
  const alert = screen.getByRole("alert");
  expect(alert.textContent).toMatch(/^The server cannot be reached Failed to fetchWhat is shown is from \d/);
  const said = alert.textContent;
  await wait(10_000);
  expect(screen.getByRole("alert")).toBe(alert);
  expect(alert.textContent, "it is not read out again").toBe(said);
  expect(card("org/a")).not.toBeNull();
  expect(server.count("GET /health")).toBe(7);
  server.up = true;
  server.uptime = 3;
  server.models = [model("org/a", 2, 10)];
  await wait(2000);
  expect(screen.queryByRole("alert")).toBeNull();
  expect(card("org/a"), "begun anew, with no rate below zero").toContain("Requests/s–");
  pass(2, "org/a", 2, 6);
  await wait(2000);
  expect(line("org/a")).toEqual([3]);
});

test("a server that was never there is told, too", async () => {
  server.up = false;
  await open();
  expect(screen.getByRole("alert").textContent).toBe("The server cannot be reached Failed to fetchIt is asked again until it answers.");
});

test("a server that does not answer is given up, and asked again", async () => {
  await open();
  const answered = server.fetch;
  vi.stubGlobal(
    "fetch",
    (_: string, init: RequestInit) =>
      new Promise((_, reject) => init.signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")))),
  );
  await wait(12_000);
  expect(screen.getByRole("alert").textContent).toContain("no answer within 10 s");
  vi.stubGlobal("fetch", answered);
  await wait(12_000);
  expect(screen.queryByRole("alert")).toBeNull();
});

test("a server that is not ready answers with 503, and is shown", async () => {
  server.status = "not ready";
  await open();
  expect(screen.queryByRole("alert")).toBeNull();
  expect(screen.getByRole("region", { name: "Server" }).textContent).toContain("Not ready");
});

test("a model that vanished is gone, and the other tabs' lists are asked for anew", async () => {
  await open();
  expect(server.count("GET /v1/models")).toBe(0);
  server.models = [model("b")];
  await wait(2000);
  expect(card("org/a")).toBeNull();
  expect(card("b")).not.toBeNull();
  expect(server.count("GET /v1/models")).toBe(1);
  await wait(6000);
  expect(server.count("GET /v1/models")).toBe(1);
  server.models = [];
  await wait(2000);
  expect(screen.getByText("The server has no models.")).toBeTruthy();
});

test("without an admin's key there are no buttons, and a key that was refused is not tried again", async () => {
  await open();
  expect(server.count("GET /admin/models")).toBe(0);
  key.value = "adm";
  await wait(100);
  key.value = "no-admin";
  await wait(10_000);
  expect(server.count("GET /admin/models")).toBe(1);
  expect(screen.queryByRole("button", { name: "Unload b" })).toBeNull();
  key.value = server.admin;
  await wait(500);
  expect(screen.getByRole("button", { name: "Unload b" })).toBeTruthy();
  key.value = "";
  await wait(500);
  expect(screen.queryByRole("button", { name: "Unload b" })).toBeNull();
});

async function openAsAdmin() {
  key.value = server.admin;
  await open();
}
const click = async (name: string) => {
  fireEvent.click(screen.getByRole("button", { name }));
  await settle();
};

test("unloading asks first, and no is no", async () => {
  await openAsAdmin();
  await click("Unload org/a");
  expect(screen.getByRole("dialog", { name: "Unload org/a?" })).toBeTruthy();
  await click("Cancel");
  expect(screen.queryByRole("dialog")).toBeNull();
  await wait(4000);
  expect(server.asked.filter((a) => a.startsWith("POST"))).toEqual([]);
});

test("a model is unloaded and loaded", async () => {
  await openAsAdmin();
  await click("Unload org/a");
  await click("Unload");
  expect(server.count("POST /admin/models/org%2Fa/unload")).toBe(1);
  expect(card("org/a")).toMatch(/Taken out of memory in [0-9.]+ ms\.$/);
  expect(card("org/a")).toContain("Unloaded");
  server.finish = () => {};
  await click("Load org/a");
  const button = screen.getByRole("button", { name: "Loading… org/a" });
  fireEvent.click(button);
  await wait(30_000);
  expect(server.count("POST /admin/models/org%2Fa/load"), "once, however often it is pressed").toBe(1);
  server.finish();
  await settle();
  expect(card("org/a")).toMatch(/Loaded in 30 sec\.$/);
  expect(card("b"), "that is said of the one").not.toContain("Loaded");
  expect(screen.getByRole("button", { name: "Unload org/a" })).toBeTruthy();
});

test("a model whose files are absent is answered with 200, and is not said to be loaded", async () => {
  server.models = [{ ...model("b"), state: "unavailable", reason: "its files are absent" }];
  await openAsAdmin();
  await click("Load b");
  expect(card("b")).toMatch(/It was not loaded. Its state: Unavailable.$/);
});

test("what the server says against a change is shown", async () => {
  server.models = [{ ...model("b"), state: "failed" }];
  server.refusal = { status: 503, message: "model files are absent: <b>x</b>" };
  await openAsAdmin();
  await click("Load b");
  expect(screen.getByRole("alert").textContent).toContain("503 x model files are absent: <b>x</b>");
  expect(screen.getByRole("button", { name: "Load b" })).toBeTruthy();
});

test("many models can be found by a part of their names", async () => {
  server.models = Array.from({ length: 20 }, (_, i) => model(`org/model-${i}`));
  await open();
  fireEvent.input(screen.getByLabelText("Show models whose name contains"), { target: { value: " MODEL-1 " } });
  await settle();
  expect(screen.getAllByRole("article").map((a) => a.getAttribute("aria-label"))).toEqual(
    [1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19].map((i) => `org/model-${i}`),
  );
  fireEvent.input(screen.getByLabelText("Show models whose name contains"), { target: { value: "<x>" } });
  await settle();
  expect(screen.getByText("No model has such a name.")).toBeTruthy();
});
