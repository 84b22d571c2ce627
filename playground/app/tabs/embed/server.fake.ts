// A server for tests: its vectors come from the texts, so that what is near to what is known.
import { vi } from "vitest";

export interface Asked {
  model: string;
  input: string[];
  dimensions?: number;
}

/** What a text of numbers, such as "3 4", is as a vector; others count their letters. */
function vectorOf(text: string): number[] {
  const numbers = text.split(" ").map(Number);
  return numbers.every(Number.isFinite) ? numbers : [text.length, 1, text.charCodeAt(0)];
}

const base64 = (numbers: number[]) => btoa(String.fromCharCode(...new Uint8Array(Float32Array.from(numbers).buffer)));

export function embedded({ model, input }: Asked): Response {
  const data = input.map((text) => ({ embedding: base64(vectorOf(text)) }));
  return new Response(JSON.stringify({ data, usage: { total_tokens: 3 * input.length } }), {
    headers: { "X-Quadrate-Model": model, "X-Quadrate-Backend": "fake", "Server-Timing": "tokenize;dur=1, queue;dur=2, run;dur=3" },
  });
}

/** Stands in fetch's place, and ends when a request is cancelled, as fetch does. Tells what it was asked. */
export function serve(answer: (asked: Asked, at: number) => Response | Promise<Response> = embedded): Asked[] {
  const all: Asked[] = [];
  vi.stubGlobal("fetch", async (_: string, { body, signal }: RequestInit) => {
    signal?.throwIfAborted();
    const asked: Asked = JSON.parse(String(body));
    const cancelled = new Promise<never>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    return Promise.race([answer(asked, all.push(asked) - 1), cancelled]);
  });
  return all;
}
