// A server for tests: its vectors and scores come from the texts, so that orders are known.
import { vi } from "vitest";

export interface Call {
  path: string;
  body: { model: string; input: string[]; input_type: string; query: string; documents: string[] };
}

/** What a text of the form "x y" is as a vector; others count their letters. */
export const vectorOf = (text: string): number[] => {
  const given = text.split(" ").map(Number);
  return given.every(Number.isFinite) ? given : [text.length, 1];
};

const base64 = (row: number[]) => btoa(String.fromCharCode(...new Uint8Array(Float32Array.from(row).buffer)));

const json = (body: unknown, headers: Record<string, string> = {}) => new Response(JSON.stringify(body), { headers });

/** Answers as the server does: embeddings as base64, and a reranker that likes the last candidate best. */
export function answer({ path, body }: Call): Response {
  if (path === "/v1/embeddings") {
    const data = body.input.map((text) => ({ embedding: base64(vectorOf(text)) }));
    return json({ data, usage: { total_tokens: 2 * body.input.length } }, { "Server-Timing": "run;dur=5", "X-Truncated": "1" });
  }
  const results = body.documents.map((_, i) => ({ index: i, relevance_score: i / 10 })).reverse();
  return json({ model: body.model, results, meta: { score_kind: "sigmoid" }, usage: { total_tokens: 9 } });
}

export const refuse = (status: number, message: string, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ error: { message, code: "queue_full" } }), { status, headers });

/** Puts a server in fetch's place; the calls that it gets are in the list. */
export function serve(reply: (call: Call, at: number) => Response | Promise<Response> = answer): Call[] {
  const calls: Call[] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    init.signal?.throwIfAborted();
    const call = { path, body: JSON.parse(String(init.body)) };
    calls.push(call);
    return reply(call, calls.length - 1);
  });
  return calls;
}
