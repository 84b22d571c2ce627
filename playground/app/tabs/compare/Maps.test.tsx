import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, expect, test, vi } from "vitest";
import type { Batch } from "../../api/batch";
import { choose } from "../../i18n/language";
import { Maps } from "./Maps";

interface Drawn {
  visualMap: { min: number; max: number };
  yAxis: { data: string[] };
}

// There are no canvases here: a chart tells what it would draw.
vi.mock("../../charts/Chart", () => ({
  Chart: ({ label, option }: { label: string; option: (narrow: boolean) => Drawn }) => {
    const { visualMap, yAxis } = option(false);
    return <div role="img" aria-label={label} data-scale={`${visualMap.min} ${visualMap.max}`} data-rows={yAxis.data.join()} />;
  },
}));

afterEach(cleanup);

const side = (model: string, cosine: number, clustered: number[]) => ({
  model,
  batch: {} as Batch,
  similarity: Float32Array.from([1, cosine, 0.95, cosine, 1, 0.9, 0.95, 0.9, 1]),
  clustered,
});

test("the maps that are drawn have one scale and one order", async () => {
  choose("en");
  render(<Maps texts={["x", "y", "z"]} sides={[side("wide", -0.31, [0, 2, 1]), side("narrow", 0.85, [1, 2, 0])]} />);
  const of = (name: string) => screen.getAllByRole("img").map((chart) => chart.getAttribute(`data-${name}`));
  expect(of("scale")).toEqual(["-0.4 1", "-0.4 1"]);
  expect(of("rows")).toEqual(["1  x,2  y,3  z", "1  x,2  y,3  z"]);
  await fireEvent.change(screen.getByLabelText("Order of the texts"), { target: { value: "narrow" } });
  expect(of("rows")).toEqual(["2  y,3  z,1  x", "2  y,3  z,1  x"]);
  await fireEvent.change(screen.getByLabelText("Colours show"), { target: { value: "percentile" } });
  expect(of("scale")).toEqual(["0 1", "0 1"]);
});
