import { agnes, type Cluster } from "ml-hclust";

/** The most leaves; the time grows with their third power. */
export const mostLeaves = 500;

/**
 * The order of the leaves of a dendrogram by average linkage over 1 − similarity (n×n, row-major,
 * symmetric). Of two branches that are joined, the one with the smaller index in it is first, so that the
 * order is as near to the texts' own as the dendrogram allows. RangeError above mostLeaves.
 */
export function cluster(similarity: Float32Array, n: number): number[] {
  if (n > mostLeaves) throw new RangeError(`${n} leaves are more than ${mostLeaves}`);
  if (similarity.length !== n * n) throw new RangeError(`a matrix of ${similarity.length} values is not ${n}×${n}`);
  if (!similarity.every(Number.isFinite)) throw new RangeError("a similarity is not a finite number");
  if (n < 2) return n === 1 ? [0] : [];
  const distances = Array.from({ length: n }, (_, i) => Array.from(similarity.subarray(i * n, (i + 1) * n), (s) => 1 - s));
  return leaves(agnes(distances, { method: "average", isDistanceMatrix: true }));
}

function leaves(node: Cluster): number[] {
  if (node.isLeaf) return [node.index];
  return node.children
    .map((child) => leaves(child))
    .sort((a, b) => smallest(a) - smallest(b))
    .flat();
}

const smallest = (indices: number[]) => indices.reduce((a, b) => Math.min(a, b));
