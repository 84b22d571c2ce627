import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/preact";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Model } from "../../api/types";
import { nearest } from "../../math/cosine";
import { models } from "../../shell/models";
import { firstCrossEncoder } from "./Form";
import { Search } from "./Search";
import { answer, type Call, refuse, serve } from "./server.fake";

// There are no workers here; the function is the one that the worker has.
vi.mock("../../math", () => ({ math: { nearest: async (...given: Parameters<typeof nearest>) => nearest(...given) } }));

const both: Model = { id: "cosines", tasks: ["embed", "rerank"], score_kind: "cosine", state: "ready" };
const cross: Model = { id: "cross", tasks: ["rerank"], score_kind: "sigmoid", state: "ready" };
const gone: Model = { id: "gone", tasks: ["rerank"], state: "unavailable" };

let calls: Call[];

beforeEach(() => {
  calls = serve();
  models.value = [gone, both, cross];
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const field = (label: RegExp) => screen.getByLabelText<HTMLInputElement>(label);
const write = (label: RegExp, value: string) => fireEvent.input(field(label), { target: { value } });
const search = () => fireEvent.click(screen.getByRole("button", { name: "Search" }));
const list = (name: string) => within(screen.getByRole("list", { name })).getAllByRole("listitem");
const reranked = () => screen.findByRole("list", { name: "Reranked" });

/** What stands in an entry: place, text, document, its move, score. */
const read = (item: HTMLElement) => item.textContent?.replace(/\s+/g, " ").trim();

async function searched(documents = "0 1\n1 1\n2 0") {
  render(<Search />);
  write(/^Documents/, documents);
  write(/^Query/, "1 0");
  search();
  await reranked();
}

test("shows both orders, what moved and by how much", async () => {
  await searched();
  expect(list("Retrieved").map(read)).toEqual([
    "12 0Document 3after reranking: 31.0000",
    "21 1Document 2after reranking: 20.7071",
    "30 1Document 1after reranking: 10.0000",
  ]);
  expect(list("Reranked").map(read)).toEqual([
    "10 1Document 1▲ up 2was 30.2000",
    "21 1Document 2same place0.1000",
    "32 0Document 3▼ down 2was 10.0000",
  ]);
  const told = screen.getAllByRole("status").map((status) => status.textContent);
  expect(told).toContain("2 of 3 documents moved. Document 1 is first now; it was number 3.");
  expect(screen.getByText("Rank correlation (Spearman)").nextSibling?.textContent).toBe("−1.000");
});

test("shows the latency of each step, and which vectors were kept", async () => {
  await searched();
  const steps = () =>
    within(screen.getByRole("table"))
      .getAllByRole("rowheader")
      .map((th) => th.parentElement?.textContent);
  expect(steps()).toEqual([
    expect.stringMatching(/^Embed the documents3 documents in 1 request, 1 cut to the model’s length[\d.]+ ms5 ms6$/),
    expect.stringMatching(/^Embed the query1 query, 1 cut to the model’s length[\d.]+ ms5 ms2$/),
    expect.stringMatching(/^Find the nearest \(in the browser\)the nearest 3 of 3[\d.]+ ms$/),
    expect.stringMatching(/^Rerank3 documents[\d.]+ ms9$/),
    expect.stringMatching(/^Total[\d.,]+ ms$/),
  ]);
  search();
  await waitFor(() => expect(steps()[0]).toBe("Embed the documents3 documents, kept from before"));
});

test("runs with the examples at once, and by Enter in the query", async () => {
  render(<Search />);
  fireEvent.keyDown(field(/^Query/), { key: "Enter", isComposing: true });
  expect(calls).toEqual([]);
  fireEvent.keyDown(field(/^Query/), { key: "Enter" });
  await reranked();
  expect(list("Reranked")).toHaveLength(10);
});

test("begins with a reranker that is none by cosine, when the list comes late, too", async () => {
  models.value = [];
  render(<Search />);
  expect(screen.getByRole<HTMLButtonElement>("button", { name: "Search" }).disabled).toBe(true);
  models.value = [gone, both, cross];
  await waitFor(() => expect(field(/^Reranker/).value).toBe("cross"));
  expect(field(/^Embedding model/).value).toBe("cosines");
  expect(screen.queryByText(/cannot change the order/)).toBeNull();
  fireEvent.change(field(/^Reranker/), { target: { value: "cosines" } });
  await screen.findByText(/cannot change the order/);
});

test("knows when there is no reranker but those by cosine", () => {
  expect(firstCrossEncoder([gone, both, cross])).toBe(1);
  expect(firstCrossEncoder([both, gone])).toBe(0);
  expect(firstCrossEncoder([])).toBe(0);
});

test("asks for no more candidates than there are documents", async () => {
  render(<Search />);
  write(/^Documents/, "0 1\n2 0\n");
  write(/^Query/, "1 0");
  await waitFor(() => expect(field(/^Candidates/).max).toBe("2"));
  search();
  await reranked();
  expect(calls.at(-1)?.body.documents).toEqual(["2 0", "0 1"]);
  write(/^Candidates/, "1");
  await screen.findByText(/The form has changed since/);
  search();
  await waitFor(() => expect(calls.at(-1)?.body.documents).toEqual(["2 0"]));
});

test("keeps what was retrieved when the reranker fails, and shows its words", async () => {
  calls = serve((call) => (call.path === "/v1/rerank" ? refuse(503, "model cross is loading") : answer(call)));
  render(<Search />);
  search();
  expect((await screen.findByRole("alert")).textContent).toContain("model cross is loading");
  expect(list("Retrieved")).toHaveLength(10);
  expect(screen.queryByRole("list", { name: "Reranked" })).toBeNull();
  const embedded = () => calls.filter((call) => call.body.input_type === "document").length;
  expect(embedded()).toBe(1);
  search();
  await waitFor(() => expect(calls.filter((call) => call.path === "/v1/rerank")).toHaveLength(2));
  expect(embedded()).toBe(1);
});

test("shows texts as texts", async () => {
  const text = '<img src=x onerror="alert(1)"><b>bold</b>';
  await searched(`${text}\n1 1`);
  expect(screen.getAllByText(text).length).toBeGreaterThan(1);
  expect(document.querySelector("ol img, ol b")).toBeNull();
});

test("finds a document in the other list, beyond what is shown of it", async () => {
  // By cosine the order is that of the texts, and the reranker turns it round.
  const documents = Array.from({ length: 60 }, (_, i) => `100 ${i}`).join("\n");
  render(<Search />);
  write(/^Documents/, documents);
  write(/^Query/, "1 0");
  await waitFor(() => expect(field(/^Candidates/).max).toBe("60"));
  write(/^Candidates/, "60");
  search();
  await reranked();
  expect(list("Reranked")).toHaveLength(50);
  fireEvent.click(screen.getByRole("button", { name: "Document 1: find it in the other list" }));
  await waitFor(() => expect(list("Reranked")).toHaveLength(60));
  const last = list("Reranked").at(-1) as HTMLElement;
  expect(last.className).toBe("marked");
  expect(document.activeElement).toBe(within(last).getByRole("button"));
  fireEvent.click(within(last).getByRole("button"));
  const first = list("Retrieved").at(0) as HTMLElement;
  await waitFor(() => expect(document.activeElement).toBe(within(first).getByRole("button")));
});

test("has a table of all candidates that sorts by the move", async () => {
  await searched();
  const details = screen.getByText("All candidates as a table").parentElement as HTMLDetailsElement;
  details.open = true;
  fireEvent(details, new Event("toggle"));
  const table = await within(details).findByRole("table");
  const column = (at: number) =>
    within(table)
      .getAllByRole("row")
      .slice(1)
      .map((row) => row.children[at]?.textContent);
  fireEvent.click(within(table).getByRole("button", { name: /^Move/ }));
  await waitFor(() => expect(column(2)).toEqual(["▼ down 2", "same place", "▲ up 2"]));
  expect(column(4)).toEqual(["2 0", "1 1", "0 1"]);
});
