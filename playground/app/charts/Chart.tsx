import type { EChartsCoreOption, EChartsType } from "echarts/core";
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../parts/Problem";
import { notLoaded } from "../shell/loading";

/** What is drawn; where that depends on the room, the chart says whether it is narrow. */
type Picture = EChartsCoreOption | ((narrow: boolean) => EChartsCoreOption);

interface Props {
  /** What the chart shows, in words; a table or text beside it tells the rest. */
  label: string;
  option: Picture;
  /** In CSS pixels. */
  height: number;
  /** A mark was clicked: its index in its series, and the series'. */
  onPick?: ((index: number, series: number) => void) | undefined;
}

/** Up to so many CSS pixels is narrow: a telephone. */
const narrow = 420;
type Size = [width: number, height: number];
const sizeOf = (element: HTMLElement): Size => [element.clientWidth, element.clientHeight];
const narrowAt = ([width]: Size) => width > 0 && width <= narrow;
const optionOf = (picture: Picture, element: HTMLElement) => (typeof picture === "function" ? picture(narrowAt(sizeOf(element))) : picture);

/** Marks are replaced; how far the reader has zoomed stays. */
const anew = { replaceMerge: ["series"] };

let turn = Promise.resolve();

/** Does what takes long in a task of its own, one after another: several large charts at once do not hold up the page. */
function soon(work: () => void): Promise<void> {
  const mine = turn.then(() => new Promise<void>((next) => setTimeout(next))).then(work);
  turn = mine.catch(() => {});
  return mine;
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
    const begin = ({ init }: typeof import("./echarts")) => {
      const element = frame.current;
      if (gone || !element) return;
      const mine = init(element, null, { renderer: "canvas", devicePixelRatio: density });
      let drawn = sizeOf(element);
      let waiting = false;
      const draw = () => mine.setOption(optionOf(latest.current.option, element), anew);
      const fit = () => {
        waiting = false;
        const size = sizeOf(element);
        if (gone || size.join() === drawn.join()) return;
        mine.resize();
        if (narrowAt(size) !== narrowAt(drawn)) draw();
        drawn = size;
      };
      draw();
      mine.on("click", (e) => latest.current.onPick?.(e.dataIndex as number, e.seriesIndex as number));
      watch = new ResizeObserver(() => {
        if (waiting) return;
        waiting = true;
        soon(fit).catch(setProblem);
      });
      watch.observe(element);
      chart.current = mine;
    };
    import("./echarts")
      .catch((reason) => Promise.reject(notLoaded(reason)))
      .then((library) => soon(() => begin(library)))
      .catch(setProblem);
    return () => {
      gone = true;
      watch?.disconnect();
      chart.current?.dispose();
      chart.current = null;
    };
  }, [density]);

  useEffect(() => {
    const drawn = chart.current;
    if (!drawn) return;
    soon(() => {
      // By now there may be another chart, or another picture, which has its own turn.
      if (frame.current && chart.current === drawn && latest.current.option === option)
        drawn.setOption(optionOf(option, frame.current), anew);
    }).catch(setProblem);
  }, [option]);

  return (
    <>
      <div ref={frame} class="canvas" role="img" aria-label={label} style={{ height: `${height}px` }} />
      <Problem error={problem} />
    </>
  );
}
