import { expect, test } from "vitest";
import type { Batch } from "../../api/batch";
import { pairsCSV } from "./pairs";

const side = (model: string, similarity: number[]) => ({
  model,
  batch: {} as Batch,
  similarity: Float32Array.from(similarity),
  clustered: [],
});

test("lists each pair of texts once, with each model's cosine and rank", () => {
  const a = side("m/a", [1, 0.5, 0.25, 0.5, 1, 0.1, 0.25, 0.1, 1]);
  const b = side("m/b", [1, -0.5, 0.75, -0.5, 1, 0.75, 0.75, 0.75, 1]);
  const lines = pairsCSV(["=1+1", 'say "hi"', "c"], [a, b]).replace("\uFEFF", "").trimEnd().split("\r\n");
  expect(lines).toEqual([
    '"text_1","text_2","cosine m/a","rank m/a","cosine m/b","rank m/b"',
    `"'=1+1","say ""hi""",0.5,1,-0.5,3`,
    `"'=1+1","c",0.25,2,0.75,1.5`,
    '"say ""hi""","c",0.1,3,0.75,1.5',
  ]);
});
