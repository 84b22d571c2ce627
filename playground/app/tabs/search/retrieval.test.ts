import { afterEach, describe, expect, test, vi } from "vitest";
import { nearest } from "../../math/cosine";
import { type Asked, mostDocuments, Retriever, reorder } from "./retrieval";
import { answer, refuse, serve } from "./server.fake";

// There are no workers here; the function is the one that the worker has.
vi.mock("../../math", () => ({ math: { nearest: async (...given: Parameters<typeof nearest>) => nearest(...given) } }));

const never = new AbortController().signal;
const ignore = () => {};
const asked: Asked = { query: "1 0", documents: ["0 1", "1 1", "2 0", "-1 0"], embedder: "e", reranker: "r", k: 3 };

afterEach(() => vi.unstubAllGlobals());

describe("Retriever", () => {
  test("finds the nearest by cosine, whatever their lengths", async () => {
    serve();
    const found = await new Retriever().find(asked, never, ignore);
    expect(found.hits.map((h) => h.index)).toEqual([2, 1, 0]);
    expect(found.hits.map((h) => h.score)).toEqual([1, expect.closeTo(Math.SQRT1_2, 6), 0]);
    expect(found.documents).toMatchObject({ requests: 1, tokens: 8, truncated: 1, timing: { run: 5 } });
    expect(found.query).toMatchObject({ requests: 1, tokens: 2 });
  });

  test("asks for the query as a query and for the documents as documents", async () => {
    const calls = serve();
    await new Retriever().find(asked, never, ignore);
    expect(calls.map((c) => [c.body.model, c.body.input_type, c.body.input])).toEqual([
      ["e", "query", ["1 0"]],
      ["e", "document", asked.documents],
    ]);
  });

  test("keeps the documents for another query, k and reranker", async () => {
    const retriever = new Retriever();
    serve();
    await retriever.find(asked, never, ignore);
    const calls = serve();
    const found = await retriever.find({ ...asked, query: "0 1", k: 1, reranker: "s", documents: [...asked.documents] }, never, ignore);
    expect(calls.map((c) => c.body.input)).toEqual([["0 1"]]);
    expect(found.documents).toBeNull();
    expect(found.hits).toEqual([{ index: 0, score: 1 }]);
  });

  test.each<[string, Partial<Asked>]>([
    ["a document is another", { documents: ["0 1", "1 1", "2 0", "-1 1"] }],
    ["a document is gone", { documents: ["0 1", "1 1", "2 0"] }],
    ["the model is another", { embedder: "f" }],
    ["the model's dimensions are others", { query: "1 0 0" }],
  ])("embeds them anew where %s", async (_, change) => {
    const retriever = new Retriever();
    serve();
    await retriever.find(asked, never, ignore);
    const calls = serve((call) => {
      const wide = change.query && call.body.input_type === "document";
      return answer(wide ? { ...call, body: { ...call.body, input: call.body.input.map((text) => `${text} 0`) } } : call);
    });
    const found = await retriever.find({ ...asked, ...change }, never, ignore);
    expect(calls.map((c) => c.body.input_type)).toEqual(["query", "document"]);
    expect(found.documents).not.toBeNull();
  });

  test("keeps nothing of documents that were cancelled or refused", async () => {
    const retriever = new Retriever();
    const mine = new AbortController();
    serve((call) => {
      if (call.body.input_type === "document") mine.abort();
      mine.signal.throwIfAborted();
      return answer(call);
    });
    await expect(retriever.find(asked, mine.signal, ignore)).rejects.toMatchObject({ name: "AbortError" });
    const calls = serve();
    await retriever.find(asked, never, ignore);
    expect(calls).toHaveLength(2);
  });

  test("refuses more documents than it may keep, before it asks anything", async () => {
    const calls = serve();
    const documents = Array.from({ length: mostDocuments + 1 }, () => "a");
    await expect(new Retriever().find({ ...asked, documents }, never, ignore)).rejects.toThrow("50,001 documents are more than");
    expect(calls).toEqual([]);
  });
});

describe("reorder", () => {
  const find = async () => {
    serve();
    return new Retriever().find(asked, never, ignore);
  };

  test("sends the nearest in the order of retrieval, and follows the answer", async () => {
    const found = await find();
    const calls = serve();
    const { moves, kind, cost } = await reorder(found, never);
    expect(calls).toEqual([{ path: "/v1/rerank", body: { model: "r", query: "1 0", documents: ["2 0", "1 1", "0 1"] } }]);
    expect(moves.map((m) => [m.document, m.before, m.after])).toEqual([
      [0, 3, 1],
      [1, 2, 2],
      [2, 1, 3],
    ]);
    expect(kind).toBe("sigmoid");
    expect(cost).toMatchObject({ requests: 1, tokens: 9, truncated: 0 });
  });

  test("says so where the answer leaves documents out", async () => {
    const found = await find();
    serve(() => new Response(JSON.stringify({ model: "r", results: [{ index: 0, relevance_score: 1 }] })));
    await expect(reorder(found, never)).rejects.toThrow("given 3 documents and its answer ranks 1");
  });

  test("passes the server's refusal on", async () => {
    const found = await find();
    serve(() => refuse(400, "documents has 3 items; one request may have 2 (server.max_documents)"));
    await expect(reorder(found, never)).rejects.toMatchObject({ status: 400, message: expect.stringContaining("server.max_documents") });
  });
});
