import { upper } from "../../math/pairs";
import { ranks } from "../../math/rank";
import { tableCSV } from "../../texts/write";
import type { Side } from "./compare";

/** All pairs of the texts as CSV, with the cosine and the rank by each model; rank 1 is the most similar pair. */
export function pairsCSV(texts: string[], sides: Side[]): string {
  const header = ["text_1", "text_2", ...sides.flatMap(({ model }) => [`cosine ${model}`, `rank ${model}`])];
  const columns = sides.map(({ similarity }) => upper(similarity, texts.length)).map((cosines) => ({ cosines, places: ranks(cosines) }));
  const rows: (string | number)[][] = [];
  texts.forEach((first, i) => {
    for (const second of texts.slice(i + 1)) {
      const at = rows.length;
      const cells = columns.flatMap(({ cosines, places }) => [rounded(cosines[at] as number), places[at] as number]);
      rows.push([first, second, ...cells]);
    }
  });
  return tableCSV(header, rows);
}

/** Six digits after the point: what float32 holds of a cosine. */
const rounded = (cosine: number) => Number(cosine.toFixed(6));
