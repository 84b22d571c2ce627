import type { EChartsCoreOption, EChartsType } from "echarts/core";
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../parts/Problem";

interface Props {
  /** What the chart shows, in words; a table or text beside it tells the rest. */
  label: string;
  option: EChartsCoreOption;
  /** In CSS pixels. */
  height: number;
  /** A mark was clicked: its index in its series, and the series'. */
  onPick?: ((index: number, series: number) => void) | undefined;
}

/** The screen's pixels per CSS pixel; it changes with zoom, and where a window moves to another screen. */
function useDensity(): number {
  const [density, setDensity] = useState(window.devicePixelRatio);
  useEffect(() => {
    const query = window.matchMedia(`(resolution: ${density}dppx)`);
    const changed = () => setDensity(window.devicePixelRatio);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, [density]);
  return density;
}

/** A canvas that ECharts draws on. It follows its frame's size and the screen's density. */
export function Chart({ label, option, height, onPick }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType | null>(null);
  const latest = useRef({ option, onPick });
  latest.current = { option, onPick };
  const density = useDensity();
  const [problem, setProblem] = useState<unknown>(null);

  useEffect(() => {
    let gone = false;
    let watch: ResizeObserver | undefined;
    const draw = ({ init }: typeof import("./echarts")) => {
      const element = frame.current;
      if (gone || !element) return;
      const mine = init(element, null, { renderer: "canvas", devicePixelRatio: density });
      mine.setOption(latest.current.option);
      mine.on("click", (e) => latest.current.onPick?.(e.dataIndex as number, e.seriesIndex as number));
      watch = new ResizeObserver(() => mine.resize());
      watch.observe(element);
      chart.current = mine;
    };
    import("./echarts").then(draw).catch(setProblem);
    return () => {
      gone = true;
      watch?.disconnect();
      chart.current?.dispose();
      chart.current = null;
    };
  }, [density]);

  useEffect(() => {
    chart.current?.setOption(option, { notMerge: true });
  }, [option]);

  return (
    <>
      <div ref={frame} class="canvas" role="img" aria-label={label} style={{ height: `${height}px` }} />
      <Problem error={problem} />
    </>
  );
}
