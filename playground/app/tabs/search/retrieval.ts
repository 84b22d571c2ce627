// Search in two steps: the nearest documents by their embeddings, then a reranker's order of them.
import { type Batch, embedAll } from "../../api/batch";
import { rerank, type Vectors } from "../../api/calls";
import type { Timing } from "../../api/http";
import { math } from "../../math";
import type { Report } from "../../parts/Run";
import { type Hit, type Move, moves } from "./moves";
import { words } from "./words";

/** So many documents are kept at most; their vectors stay in the page's memory. */
export const mostDocuments = 50_000;
/** So many documents a reranker takes with one request, unless its server says otherwise. */
export const mostCandidates = 1_000;

export interface Asked {
  query: string;
  documents: string[];
  embedder: string;
  reranker: string;
  /** How many of the nearest the reranker gets. */
  k: number;
}

/** What a step's calls to a model have cost. */
export interface Cost {
  /** Milliseconds from the start of the first to the end of the last, as the page sees it. */
  took: number;
  requests: number;
  /** undefined: the server does not say. */
  tokens?: number | undefined;
  /** What the server told of the call that took the longest. */
  timing: Timing;
  /** How many texts were cut to the model's length. */
  truncated: number;
}

export interface Found {
  asked: Asked;
  /** The nearest documents, best first. */
  hits: Hit[];
  /** null: the documents' vectors were kept from a search before. */
  documents: Cost | null;
  query: Cost;
  /** Milliseconds that finding the nearest took, the vectors' way to the worker included. */
  nearest: number;
}

export interface Reranked {
  /** In the reranker's order. */
  moves: Move[];
  /** What the scores are, such as "sigmoid"; undefined: the server does not say. */
  kind: string | undefined;
  cost: Cost;
}

interface Index {
  model: string;
  texts: string[];
  vectors: Batch;
}

/** Holds the documents' vectors until the documents, their model or its dimensions change. */
export class Retriever {
  #index: Index | null = null;

  /** Finds the k nearest documents. Documents that were embedded are kept whatever fails after that. */
  async find(asked: Asked, signal: AbortSignal, report: Report): Promise<Found> {
    const { query, documents: texts, embedder: model, k } = asked;
    if (texts.length > mostDocuments) throw new Error(words.value.tooMany(texts.length, mostDocuments));
    // The worker starts meanwhile, so that its start is not counted as retrieval.
    const [vector] = await Promise.all([embedAll(model, [query], { inputType: "query", signal }), math.nearest(nothing, nothing.data, 0)]);
    const kept = this.#kept(model, texts, vector.cols);
    const vectors = kept ?? (await this.#embed(model, texts, signal, report));
    const started = performance.now();
    const hits = await math.nearest(bare(vectors), vector.data, k);
    signal.throwIfAborted();
    return { asked, hits, documents: kept ? null : cost(vectors), query: cost(vector), nearest: performance.now() - started };
  }

  async #embed(model: string, texts: string[], signal: AbortSignal, report: Report): Promise<Batch> {
    // Two sets of vectors are never held at once.
    this.#index = null;
    const vectors = await embedAll(model, texts, { inputType: "document", signal, onProgress: report });
    this.#index = { model, texts, vectors };
    return vectors;
  }

  #kept(model: string, texts: string[], cols: number): Batch | null {
    const index = this.#index;
    if (index?.model !== model || index.vectors.cols !== cols || index.texts.length !== texts.length) return null;
    return index.texts.every((text, i) => text === texts[i]) ? index.vectors : null;
  }
}

/** Has the reranker order what was found. */
export async function reorder({ asked, hits }: Found, signal: AbortSignal): Promise<Reranked> {
  const answer = await rerank(asked.reranker, asked.query, candidates(asked.documents, hits), { signal });
  const { results, meta, usage } = answer.data;
  const list = moves(hits, results);
  if (!list) throw new Error(words.value.incomplete(hits.length, results.length));
  const { took, timing, truncated } = answer;
  return { moves: list, kind: meta?.score_kind, cost: { took, requests: 1, tokens: usage?.total_tokens, timing, truncated } };
}

/** The texts that the reranker gets, in the order of retrieval. */
export const candidates = (documents: string[], hits: Hit[]) => hits.map((hit) => documents[hit.index] ?? "");

const nothing: Vectors = { data: new Float32Array(0), rows: 0, cols: 0 };

// The worker gets a copy of what it is given.
const bare = ({ data, rows, cols }: Vectors): Vectors => ({ data, rows, cols });

const cost = ({ took, requests, tokens, timing, truncated }: Batch): Cost => ({ took, requests, tokens, timing, truncated });
