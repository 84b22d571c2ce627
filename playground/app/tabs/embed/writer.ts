// Writes files of vectors in a worker: 5,000 texts are two million numbers as text, which would hold up
// the page for seconds.
import "./environment";
import * as Comlink from "comlink";
import type { Vectors } from "../../api/calls";
import { toCSV, toJSON, toNPY } from "../../texts/write";

const writer = {
  csv: (texts: string[], v: Vectors) => new Blob([toCSV(texts, v)], { type: "text/csv;charset=utf-8" }),
  json: (texts: string[], v: Vectors, model: string) => new Blob([toJSON(texts, v, model)], { type: "application/json" }),
  npy: (_: string[], v: Vectors) => new Blob([toNPY(v)], { type: "application/octet-stream" }),
};
export type Writer = typeof writer;
export type Kind = keyof Writer;

Comlink.expose(writer);
