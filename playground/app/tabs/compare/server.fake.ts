// For tests: a server that answers /v1/embeddings.
import { vi } from "vitest";

export interface Body {
  model: string;
  input: string[];
  /** What the request says of caches, the server's included. */
  cache?: RequestCache | undefined;
}

type Served = (body: Body, signal: AbortSignal) => number[][] | Response | Promise<Response>;

/** Has fetch answered with the vectors of each text; tells what was asked. */
export function served(answer: Served): Body[] {
  const bodies: Body[] = [];
  vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
    const body = JSON.parse(String(init.body)) as Body;
    bodies.push({ ...body, cache: init.cache });
    const found = await answer(body, init.signal as AbortSignal);
    return found instanceof Response ? found : embedded(body, found);
  });
  return bodies;
}

function embedded({ model, input }: Body, vectors: number[][]): Response {
  const data = vectors.map((v) => ({ embedding: btoa(String.fromCharCode(...new Uint8Array(Float32Array.from(v).buffer))) }));
  return new Response(JSON.stringify({ data, usage: { total_tokens: 3 * input.length } }), {
    headers: {
      "X-Quadrate-Model": model,
      "X-Quadrate-Backend": "onnxruntime",
      "X-Truncated": "1",
      "Server-Timing": "tokenize;dur=1, queue;dur=2, run;dur=3",
    },
  });
}

export const refused = (status: number, message: string, code: string) =>
  new Response(JSON.stringify({ error: { message, code } }), { status });

/** Vectors of two dimensions, so many degrees from the first axis: cosines are those of the angles between them. */
export const angles = (degrees: number[]) => degrees.map((d) => [Math.cos((d * Math.PI) / 180), Math.sin((d * Math.PI) / 180)]);
