// The charts with a library that notes what it is told to draw; a browser draws them in test/playground.
import { act, cleanup, render, screen } from "@testing-library/preact";
import type { ComponentChild } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { choose } from "../i18n/language";
import { settle } from "../parts/settle";
import { theme } from "../shell/theme";
import { colours } from "./colours";
import { Heatmap } from "./Heatmap";
import { Scatter } from "./Scatter";
import { Sparkline } from "./Sparkline";

// biome-ignore lint/suspicious/noExplicitAny: options of ECharts
type Option = any;

interface Drawn {
  options: Option[];
  density: number;
  disposed: boolean;
  click: (e: { dataIndex: number; seriesIndex: number }) => void;
}

const library = vi.hoisted(() => ({ charts: [] as Drawn[] }));

vi.mock("./echarts", () => ({
  init: (_element: HTMLElement, _theme: unknown, settings: { devicePixelRatio: number }) => {
    const drawn: Drawn = { options: [], density: settings.devicePixelRatio, disposed: false, click: () => {} };
    library.charts.push(drawn);
    return {
      setOption: (option: Option) => drawn.options.push(option),
      on: (_name: string, handler: Drawn["click"]) => {
        drawn.click = handler;
      },
      resize: () => {},
      dispose: () => {
        drawn.disposed = true;
      },
    };
  },
}));

const chart = () => library.charts.at(-1) as Drawn;
const option = () => chart().options.at(-1);

/** Renders a chart, and waits until the library has drawn it. */
async function draw(what: ComponentChild) {
  const before = library.charts.length;
  const rendered = render(what);
  await vi.waitFor(() => expect(library.charts).toHaveLength(before + 1));
  await settle();
  return rendered;
}

beforeEach(() => {
  library.charts = [];
});

afterEach(async () => {
  cleanup();
  await settle();
  theme.value = "system";
  choose("en");
});

describe("a heat map", () => {
  const labels = ["first", "{b|second}", "세 번째"];
  const matrix = Float32Array.from([1, 0.5, -0.2, 0.5, 1, 0.9, -0.2, 0.9, 1]);
  const map = (more = {}) => <Heatmap title="Similarity" labels={labels} matrix={matrix} n={3} {...more} />;
  const cells = () => option().series[0].data.map((d: Option) => d.value ?? d);

  it("tells in words what it shows", async () => {
    await draw(map());
    const words = "3 texts; the similarities of different texts lie between −0.200 and 0.900";
    expect(screen.getByRole("img", { name: `Similarity: ${words}` })).toBeTruthy();
    expect([...document.querySelectorAll("small")].map((small) => small.textContent)).toEqual([
      words,
      "Most similar: {b|second} – 세 번째",
      "Least similar: first – 세 번째",
    ]);
  });

  it("draws the values in the given order, with the texts on hover", async () => {
    await draw(map({ order: [2, 0, 1] }));
    expect(cells().slice(0, 3)).toEqual([
      [0, 0, 1],
      [1, 0, -0.2],
      [2, 0, expect.closeTo(0.9)],
    ]);
    const { tooltip, yAxis } = option();
    expect(yAxis.data).toEqual(["3  세 번째", "1  first", "2  {b|second}"]);
    expect(tooltip.renderMode).toBe("richText");
    expect(tooltip.formatter({ value: [2, 0, 0.9] })).toBe("0.900\n3  세 번째\n2  {\u2060b|second}");
  });

  it("has the same values as a table", async () => {
    await draw(map());
    const rows = screen.getAllByRole("row", { hidden: true }).map((row) => [...row.children].map((cell) => cell.textContent));
    expect(rows).toEqual([
      ["Text", "1", "2", "3"],
      ["1  first", "1.000", "0.500", "−0.200"],
      ["2  {b|second}", "0.500", "1.000", "0.900"],
      ["3  세 번째", "−0.200", "0.900", "1.000"],
    ]);
  });

  it("has the scale that it is given, else one that fits", async () => {
    await draw(map());
    expect(option().visualMap).toMatchObject({ min: -0.2, max: 1 });
    cleanup();
    await draw(map({ min: -1, max: 1 }));
    expect(option().visualMap).toMatchObject({ min: -1, max: 1 });
  });

  it("shows the first 200 of more, and says so", async () => {
    const n = 250;
    await draw(<Heatmap title="Similarity" labels={Array(n).fill("x")} matrix={new Float32Array(n * n)} n={n} />);
    expect(cells()).toHaveLength(200 * 200);
    expect(screen.getByText("The first 200 of 250 texts are shown.")).toBeTruthy();
    expect(screen.queryByRole("table", { hidden: true })).toBeNull();
  });

  it("keeps in the scale's colours what rounding puts beyond its ends, and tells the value itself", async () => {
    const over = Float32Array.of(1.0000001, 0.2, 0.2, Number.NaN);
    await draw(<Heatmap title="Similarity" labels={["a", "b"]} matrix={over} n={2} min={0.3} digits={7} />);
    expect(cells().map((cell: number[]) => cell[2])).toEqual([1, 0.3, 0.3, "-"]);
    expect(option().tooltip.formatter({ value: [0, 0, 1] })).toMatch(/^1\.0000001\n/);
  });

  it("leaves the values out of the cells where there is no room for them", async () => {
    const n = 6;
    const six = <Heatmap title="Similarity" labels={Array(n).fill("x")} matrix={new Float32Array(n * n)} n={n} />;
    await draw(six);
    expect(option().series[0].label.show).toBe(true);
    cleanup();
    const width = vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(300);
    await draw(six);
    expect(option().series[0].label.show).toBe(false);
    width.mockRestore();
  });

  it("is drawn for one text", async () => {
    await draw(<Heatmap title="Similarity" labels={["x"]} matrix={Float32Array.of(1)} n={1} />);
    expect(option().visualMap).toMatchObject({ min: 0, max: 1 });
    expect(screen.getByRole("img", { name: "Similarity" })).toBeTruthy();
  });
});

describe("every chart", () => {
  const matrix = Float32Array.of(1, 0, 0, 1);
  const map = <Heatmap title="Similarity" labels={["a", "b"]} matrix={matrix} n={2} />;

  it("is drawn anew in the colours of another theme, and in another language", async () => {
    theme.value = "light";
    await draw(map);
    const light = option();
    await act(() => {
      theme.value = "dark";
    });
    await vi.waitFor(() => expect(chart().options).toHaveLength(2));
    expect(option().visualMap.inRange.color).toBe(colours.value.scale);
    expect(option().visualMap.inRange.color).not.toEqual(light.visualMap.inRange.color);
    await act(() => choose("ko"));
    await vi.waitFor(() => expect(chart().options).toHaveLength(3));
  });

  it("does not move where less motion is wished", async () => {
    vi.spyOn(window, "matchMedia").mockImplementation(
      (query) => Object.assign(new EventTarget(), { matches: query.includes("reduce") }) as MediaQueryList,
    );
    await draw(map);
    expect(option().animation).toBe(false);
    vi.restoreAllMocks();
    cleanup();
    await draw(map);
    expect(option().animation).toBe(true);
  });

  it("is drawn anew for a screen of another density", async () => {
    let changed = () => {};
    vi.spyOn(window, "matchMedia").mockImplementation(
      () =>
        ({
          matches: false,
          addEventListener: (_: string, f: () => void) => {
            changed = f;
          },
          removeEventListener: () => {},
        }) as unknown as MediaQueryList,
    );
    vi.stubGlobal("devicePixelRatio", 1);
    await draw(map);
    vi.stubGlobal("devicePixelRatio", 2);
    changed();
    await vi.waitFor(() => expect(library.charts).toHaveLength(2));
    expect(library.charts.map((c) => [c.density, c.disposed])).toEqual([
      [1, true],
      [2, false],
    ]);
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });

  it("is given back when it goes away", async () => {
    const { unmount } = await draw(map);
    unmount();
    await vi.waitFor(() => expect(chart().disposed).toBe(true));
  });
});

describe("a scatter chart", () => {
  const points = Float32Array.of(0, 1, 2, 3, 4, 5);
  const labels = ["a", "{b|c}", "d"];

  it("finds the text of a point, in whichever group it is", async () => {
    const picked = vi.fn();
    await draw(
      <Scatter title="Plane" points={points} labels={labels} groups={[1, 0, 1]} groupNames={["no", "yes"]} chosen={1} onPick={picked} />,
    );
    const { series, tooltip, legend, xAxis } = option();
    expect(legend.data).toEqual(["no", "yes"]);
    expect(xAxis.axisLabel.formatter(-0.5)).toBe("−0.5");
    expect(series.map((s: Option) => s.data.map((d: Option) => d.value ?? d))).toEqual([
      [[2, 3]],
      [
        [0, 1],
        [4, 5],
      ],
      [[2, 3]],
    ]);
    expect(series[1].data.map((d: Option) => d.label.position)).toEqual(["right", "left"]);
    expect(series[0].symbol).not.toBe(series[1].symbol);
    expect(tooltip.formatter({ seriesIndex: 1, dataIndex: 1 })).toBe("3  d");
    expect(tooltip.formatter({ seriesIndex: 0, dataIndex: 0 })).toBe("2  {\u2060b|c}");
    for (const [seriesIndex, dataIndex] of [
      [1, 0],
      [0, 0],
      [2, 0],
    ] as const) {
      chart().click({ seriesIndex, dataIndex });
    }
    expect(picked.mock.calls).toEqual([[0], [1], [1]]);
  });

  it("has its points as a table, where they are few", async () => {
    await draw(<Scatter title="Plane" points={points} labels={labels} axes={["East", "North"]} />);
    const rows = screen
      .getAllByRole("row", { hidden: true })
      .map((row) => [...row.children].map((cell) => cell.textContent?.replace(/ [↕↑↓]$/, "")));
    expect(rows.slice(0, 2)).toEqual([
      ["Text", "East", "North"],
      ["1  a", "0.000", "1.000"],
    ]);
    cleanup();
    await draw(<Scatter title="Plane" points={new Float32Array(2 * 50_000)} labels={[]} />);
    expect(screen.queryByRole("table", { hidden: true })).toBeNull();
    expect(screen.getByRole("img", { name: "Plane: 50,000 points" })).toBeTruthy();
  });
});

it.each([
  [[1, null, 12.345, null], "12.3 ms", "Latency: last 12.3 ms"],
  [[null, null], "–", "Latency: no value yet"],
  [[], "–", "Latency: no value yet"],
])("a sparkline of %j has its last value as text", async (values, text, name) => {
  const { container } = await draw(<Sparkline title="Latency" values={values} unit="ms" />);
  expect(container.querySelector(".num")?.textContent).toBe(text);
  expect(screen.getByRole("img", { name })).toBeTruthy();
  expect(option().series[0].data).toEqual(values);
});
