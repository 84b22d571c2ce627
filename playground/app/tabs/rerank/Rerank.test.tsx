import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/preact";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { choose } from "../../i18n/language";
import { models } from "../../shell/models";
import { Rerank } from "./Rerank";

type Body = { model: string; query: string; documents: string[]; top_n?: number; raw_scores?: boolean };

let bodies: Body[] = [];

beforeEach(() => {
  bodies = [];
  choose("en");
  models.value = ["model/a", "model/b"].map((id) => ({ id, tasks: ["rerank"], state: "ready" }));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

/** Has the server answer with these scores by index, best first as it does, or refuse with a message. */
function serve(answers: Record<string, number[] | string>, kind = "sigmoid") {
  vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
    const body: Body = JSON.parse(String(init.body));
    bodies.push(body);
    const answer = answers[body.model] ?? [];
    if (typeof answer === "string") return new Response(JSON.stringify({ error: { message: answer } }), { status: 500 });
    const results = answer
      .map((relevance_score, index) => ({ index, relevance_score }))
      .sort((a, b) => b.relevance_score - a.relevance_score);
    return new Response(JSON.stringify({ model: body.model, results: results.slice(0, body.top_n), meta: { score_kind: kind } }));
  });
}

const field = (name: string) => screen.getByLabelText<HTMLTextAreaElement>(name);
const write = (name: string, value: string) => fireEvent.input(field(name), { target: { value } });
const tick = (name: string) => fireEvent.click(screen.getByLabelText(name));
const run = () => fireEvent.click(screen.getByRole("button", { name: "Rerank" }));
/** The entries of a list, once it is there. */
async function entries(model: string) {
  const list = await screen.findByRole("list", { name: `Documents ranked by ${model}` });
  return [...list.children].map((li) => li.textContent?.replace(/\s+/g, " ").trim());
}

test("ranks the example at once", async () => {
  serve({ "model/a": [0.1, 0.2, 0.3, 0.9] });
  render(<Rerank />);
  await run();
  const found = await entries("model/a");
  expect(bodies).toHaveLength(1);
  expect(bodies[0]).toMatchObject({ model: "model/a", query: expect.stringContaining("damaged") });
  expect(bodies[0]?.documents).toHaveLength(8);
  expect(Object.keys(bodies[0] ?? {})).toEqual(["model", "query", "documents"]);
  expect(found).toHaveLength(4);
  expect(found[0]).toMatch(/^1If goods arrive broken.*▲ up 3.*entered as no. 4.*0\.9000$/);
  expect(found[1]).toMatch(/^2You can pay.*▲ up 1/);
  expect(found[3]).toMatch(/^4Standard delivery.*▼ down 3/);
});

test("sends top_n and the raw scores switch, and shows negative logits with their scale", async () => {
  serve({ "model/a": [-9.5, -1.25, -4] }, "logit");
  render(<Rerank />);
  write("Documents", "one\ntwo\nthree");
  write("Return at most (top_n)", "2");
  tick("Raw scores");
  await run();
  const found = await entries("model/a");
  expect(bodies[0]).toMatchObject({ documents: ["one", "two", "three"], top_n: 2, raw_scores: true });
  expect(found).toEqual([expect.stringMatching(/^1two.*−1\.2500$/), expect.stringMatching(/^2three.*−4\.0000$/)]);
  expect(screen.getByText("The bars reach from −4 to 0.")).toBeTruthy();
  expect(screen.getByText("logit (unbounded, may be negative)")).toBeTruthy();
  expect(screen.getByText("2 of 3 documents returned, best first")).toBeTruthy();
});

test("two rerankers stand side by side with their correlation over all documents", async () => {
  serve({ "model/a": [0.9, 0.5, 0.1], "model/b": [0.2, 0.6, 0.4] });
  render(<Rerank />);
  write("Documents", "one\ntwo\nthree");
  tick("Compare with a second reranker");
  await run();
  expect((await entries("model/b"))[0]).toMatch(/^1two.*up 1.*Reranker A: no\. 2/);
  expect((await entries("model/a"))[0]).toMatch(/^1one.*same place.*Reranker B: no\. 3/);
  expect(bodies.map((b) => b.model)).toEqual(["model/a", "model/b"]);
  // Ranks 1 2 3 against 3 1 2.
  const agreement = screen.getByText("Agreement of the two rerankers").parentElement as HTMLElement;
  expect(agreement.textContent).toContain("−0.500");
  expect(agreement.textContent).toContain("−0.333");
  expect(agreement.textContent).toContain("over all documents");
});

test("with top_n the correlation is over the documents in both lists, and the page says so", async () => {
  serve({ "model/a": [4, 3, 2, 1], "model/b": [1, 2, 3, 4] }, "logit");
  render(<Rerank />);
  write("Documents", "a\nb\nc\nd");
  write("Return at most (top_n)", "3");
  tick("Compare with a second reranker");
  await run();
  expect((await entries("model/b"))[0]).toContain("Reranker A: not returned");
  expect((await entries("model/a"))[0]).toContain("Reranker B: not returned");
  const agreement = screen.getByText("Agreement of the two rerankers").parentElement as HTMLElement;
  expect(agreement.textContent).toContain("2 of 3");
  expect(agreement.textContent).toContain("−1.000");
  expect(agreement.textContent).toContain("documents that both rerankers returned");
  expect(agreement.textContent).toContain("With so few documents");
});

test("equal scores are marked, and a reranker that gives only them has no correlation", async () => {
  serve({ "model/a": [0.5, 0.5], "model/b": [0.2, 0.6] });
  render(<Rerank />);
  write("Documents", "one\ntwo");
  tick("Compare with a second reranker");
  await run();
  expect((await entries("model/b")).some((text) => text?.includes("tied"))).toBe(false);
  expect((await entries("model/a")).every((text) => text?.includes("tied"))).toBe(true);
  expect(screen.getByText(/gives all these documents the same score/)).toBeTruthy();
  expect(screen.getAllByText("undefined")).toHaveLength(2);
});

test.each(["a", "b"])("when reranker %s fails, the other's list stands and the server's words are shown", async (broken) => {
  const other = broken === "a" ? "b" : "a";
  serve({ [`model/${broken}`]: "out of memory", [`model/${other}`]: [0.3, 0.6] });
  render(<Rerank />);
  write("Documents", "one\ntwo");
  tick("Compare with a second reranker");
  await run();
  expect(await entries(`model/${other}`)).toHaveLength(2);
  const card = screen.getByRole("region", { name: new RegExp(`model/${broken}`) });
  expect((await within(card).findByRole("alert")).textContent).toContain("out of memory");
  expect(screen.queryByText("Agreement of the two rerankers")).toBeNull();
});

test("cancelling keeps the first list", async () => {
  serve({ "model/a": [0.3, 0.6] });
  const answer = globalThis.fetch;
  vi.stubGlobal("fetch", (path: string, init: RequestInit) =>
    bodies.length === 0
      ? answer(path, init)
      : new Promise((_, reject) => init.signal?.addEventListener("abort", () => reject(init.signal?.reason))),
  );
  render(<Rerank />);
  write("Documents", "one\ntwo");
  tick("Compare with a second reranker");
  await run();
  await screen.findByText("The server is working …");
  await entries("model/a");
  fireEvent.click(screen.getByRole("button", { name: "Cancel" }));
  expect(await screen.findByText("Cancelled")).toBeTruthy();
  expect(await entries("model/a")).toHaveLength(2);
  expect(screen.queryByRole("alert")).toBeNull();
});

test("says so when the form holds something else than what was asked", async () => {
  serve({ "model/a": [0.3, 0.6], "model/b": [0.6, 0.3] });
  render(<Rerank />);
  write("Documents", "one\ntwo");
  await run();
  await entries("model/a");
  const stale = () => screen.queryByText("The form has changed since these results.") !== null;
  expect(stale()).toBe(false);
  for (const [name, other, asked] of [
    ["Query", "another", field("Query").value],
    ["Documents", "one\nthree", "one\ntwo"],
    ["Return at most (top_n)", "1", ""],
  ] as const) {
    write(name, other);
    await waitFor(() => expect(stale()).toBe(true));
    write(name, asked);
    await waitFor(() => expect(stale()).toBe(false));
  }
  tick("Compare with a second reranker");
  await waitFor(() => expect(stale()).toBe(true));
});

test("texts are shown as text", async () => {
  serve({ "model/a": [0.3, 0.6], "model/b": "<img src=x onerror=alert(1)>" });
  const { container } = render(<Rerank />);
  write("Query", "<b>query</b>");
  write("Documents", "<script>alert(1)</script>\n<img src=x onerror=alert(2)>");
  tick("Compare with a second reranker");
  await run();
  expect((await entries("model/a"))[0]).toContain("<img src=x onerror=alert(2)>");
  expect(screen.getByText("Query: <b>query</b>")).toBeTruthy();
  expect((await screen.findByRole("alert")).textContent).toContain("<img src=x onerror=alert(1)>");
  expect(container.querySelector("img, script, b")).toBeNull();
});

test("documents may be separated by blank lines", async () => {
  serve({ "model/a": [0.3, 0.6] });
  render(<Rerank />);
  tick("Blank lines: documents may have several lines");
  expect(field("Documents").value).toContain("Refunds\nThe refund");
  expect(screen.getByText("8 documents")).toBeTruthy();
  write("Documents", "title\nbody\n\nother\n");
  await run();
  await entries("model/a");
  expect(bodies[0]?.documents).toEqual(["title\nbody", "other"]);
});

test("a file with documents of several lines switches to blank lines, and says so", async () => {
  render(<Rerank />);
  const file = new File(['"one\\ntwo"\n"three"\n'], "texts.jsonl");
  fireEvent.change(screen.getByLabelText("From a file (txt, csv, jsonl)"), { target: { files: [file] } });
  await waitFor(() => expect(field("Documents").value).toBe("one\ntwo\n\nthree"));
  expect(screen.getByLabelText<HTMLInputElement>(/^Blank lines/).checked).toBe(true);
  expect(screen.getByText(/separated by blank lines now/)).toBeTruthy();
  expect(screen.getByText("2 documents")).toBeTruthy();
});

test("a file that cannot be read is told until something is written", async () => {
  render(<Rerank />);
  const file = new File(['"one"\n{oops\n'], "texts.jsonl");
  fireEvent.change(screen.getByLabelText("From a file (txt, csv, jsonl)"), { target: { files: [file] } });
  expect((await screen.findByRole("alert")).textContent).toContain("2");
  expect(field("Documents").value).toContain("Standard delivery");
  write("Documents", "one");
  await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
});

test("nothing can be run without a query or documents, and the page says why", () => {
  render(<Rerank />);
  const button = screen.getByRole<HTMLButtonElement>("button", { name: "Rerank" });
  expect(button.disabled).toBe(false);
  write("Query", "  ");
  expect(button.disabled).toBe(true);
  expect(screen.getByText("Enter a query and at least one document.")).toBeTruthy();
  write("Query", "q");
  write("Documents", "\n");
  expect(button.disabled).toBe(true);
});

test("the example follows the language, and what was written stays", async () => {
  render(<Rerank />);
  write("Query", "mine");
  choose("ko");
  await waitFor(() => expect(field("문서").value).toContain("일반 배송은"));
  expect(field("쿼리").value).toBe("mine");
  choose("ru");
  await waitFor(() => expect(field("Документы").value).toContain("Обычная доставка"));
});

test("a long list is shown in parts, and a long document can be opened", async () => {
  serve({ "model/a": Array.from({ length: 250 }, (_, i) => 1 / (i + 1)) });
  render(<Rerank />);
  write("Documents", Array.from({ length: 250 }, (_, i) => `${i} ${"long ".repeat(i === 0 ? 200 : 1)}end`).join("\n"));
  await run();
  expect(await entries("model/a")).toHaveLength(100);
  fireEvent.click(screen.getByRole("button", { name: "Show 100 more" }));
  await waitFor(async () => expect(await entries("model/a")).toHaveLength(200));
  fireEvent.click(screen.getByRole("button", { name: "Show 50 more" }));
  await waitFor(async () => expect(await entries("model/a")).toHaveLength(250));
  expect(screen.queryByRole("button", { name: /^Show \d+ more/ })).toBeNull();
  const whole = screen.getByText("Whole document").closest("details") as HTMLElement;
  expect(whole.textContent).toMatch(/long end$/);
}, 20_000);
