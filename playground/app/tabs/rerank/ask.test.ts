import { afterEach, expect, test, vi } from "vitest";
import { askEach, bodyOf, type Outcome } from "./ask";

afterEach(() => vi.unstubAllGlobals());

const question = { query: "q", documents: ["a", "b"], topN: 1, rawScores: true };
const ranked = (model: string) => new Response(JSON.stringify({ model, results: [{ index: 1, relevance_score: -2 }] }));

/** Has fetch answered by the model that a body names; tells the bodies. */
function served(answer: (model: string, signal: AbortSignal) => Response | Promise<Response>) {
  const bodies: { model: string }[] = [];
  vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
    const body = JSON.parse(String(init.body));
    bodies.push(body);
    return answer(body.model, init.signal as AbortSignal);
  });
  return bodies;
}

const states = (outcomes: Outcome[]) => outcomes.map((o) => `${o.model} ${o.state}`);

test("asks in turn, each the same, and reports each step", async () => {
  const bodies = served(ranked);
  const reports: string[][] = [];
  await askEach(["A", "B"], question, new AbortController().signal, (o) => reports.push(states(o)));
  expect(reports).toEqual([
    ["A asked", "B waiting"],
    ["A answered", "B waiting"],
    ["A answered", "B asked"],
    ["A answered", "B answered"],
  ]);
  expect(bodies).toEqual([bodyOf("A", question), bodyOf("B", question)]);
  expect(bodies).toEqual(["A", "B"].map((model) => ({ model, query: "q", documents: ["a", "b"], top_n: 1, raw_scores: true })));
});

test.each(["A", "B"])("keeps the other's result when %s fails", async (broken) => {
  const error = JSON.stringify({ error: { message: "no such model", code: "model_not_found" } });
  served((model) => (model === broken ? new Response(error, { status: 404 }) : ranked(model)));
  let last: Outcome[] = [];
  await askEach(["A", "B"], question, new AbortController().signal, (o) => {
    last = o;
  });
  expect(states(last).sort()).toEqual([`${broken} failed`, `${broken === "A" ? "B" : "A"} answered`].sort());
  expect(last.find((o) => o.state === "failed")).toMatchObject({ error: { status: 404, message: "no such model" } });
});

test("cancelling keeps what was answered and asks no more", async () => {
  const stop = new AbortController();
  const bodies = served((model, signal) => {
    if (model === "A") return ranked(model);
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      stop.abort();
    });
  });
  let last: Outcome[] = [];
  const asking = askEach(["A", "B", "C"], question, stop.signal, (o) => {
    last = o;
  });
  await expect(asking).rejects.toThrow();
  expect(states(last)).toEqual(["A answered", "B cancelled", "C cancelled"]);
  expect(bodies.length).toBe(2);
});
