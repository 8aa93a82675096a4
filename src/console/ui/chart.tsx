import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { now } from "../lib/clock.js";
import { HISTORY_S, type Sample } from "../lib/queues.js";

/** Properties of `Chart`. */
export interface ChartProps {
  readonly samples: readonly Sample[];
  /** Describes the chart for screen readers. */
  readonly label: string;
}

const HEIGHT = 64;

const DARK = matchMedia("(prefers-color-scheme: dark)");

/**
 * A small chart of a queue's last minutes: waiting and running jobs as one area, completed jobs per second as a line with
 * a scale of its own.
 */
export function Chart({ samples, label }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const make = () => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsOf(element), [[], [], []], element);
    };
    make();
    const sizes = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    sizes.observe(element);
    DARK.addEventListener("change", make);
    return () => {
      sizes.disconnect();
      DARK.removeEventListener("change", make);
      plot.current?.destroy();
    };
  }, []);

  const seconds = now.value / 1000;
  useEffect(() => {
    plot.current?.setData(
      [
        samples.map(({ time }) => time),
        samples.map(({ waiting, running }) => waiting + running),
        samples.map(({ perSecond }) => perSecond),
      ],
      false,
    );
    plot.current?.setScale("x", { min: seconds - HISTORY_S, max: seconds });
  }, [samples, seconds]);

  return <div class="chart" ref={box} role="img" aria-label={label} />;
}

function optionsOf(element: HTMLElement): uPlot.Options {
  const style = getComputedStyle(element);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const fromZero = (_: uPlot, _min: number, max: number): [number, number] => [0, Math.max(1, max * 1.1)];
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [4, 0, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: true }, y: { range: fromZero }, rate: { range: fromZero } },
    axes: [{ show: false }, { show: false }],
    series: [
      {},
      {
        scale: "y",
        stroke: color("--chart-depth"),
        fill: color("--chart-depth-fill"),
        width: 1.5,
        points: { show: false },
      },
      { scale: "rate", stroke: color("--chart-rate"), width: 1.5, points: { show: false } },
    ],
  };
}
