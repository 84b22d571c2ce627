import * as Comlink from "comlink";
import type { Vectors } from "../api/calls";
import { agreement } from "./agreement";
import { cluster } from "./cluster";
import { cosine, nearest } from "./cosine";
import { type Projection, project } from "./project";

// What is large is handed over, not copied.
const arithmetic = {
  cosine: (v: Vectors): Float32Array => {
    const similarity = cosine(v);
    return Comlink.transfer(similarity, [similarity.buffer]);
  },
  cluster,
  project: (v: Vectors): Projection => {
    const projection = project(v);
    return Comlink.transfer(projection, [projection.points.buffer]);
  },
  nearest,
  agreement,
};
export type Arithmetic = typeof arithmetic;

Comlink.expose(arithmetic);
