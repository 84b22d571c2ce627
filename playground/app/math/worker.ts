import * as Comlink from "comlink";
import type { Vectors } from "../api/calls";

const arithmetic = {
  rows: (v: Vectors) => v.rows,
};
export type Arithmetic = typeof arithmetic;

Comlink.expose(arithmetic);
