// What is in the files, by their kind.
import type { Vectors } from "../../api/calls";
import { toCSV, toJSON, toNPY } from "../../texts/write";

export const contents = {
  csv: (texts: string[], v: Vectors) => new Blob([toCSV(texts, v)], { type: "text/csv;charset=utf-8" }),
  json: (texts: string[], v: Vectors, model: string) => new Blob([toJSON(texts, v, model)], { type: "application/json" }),
  npy: (_: string[], v: Vectors) => new Blob([toNPY(v)], { type: "application/octet-stream" }),
};
export type Contents = typeof contents;
export type Kind = keyof Contents;
