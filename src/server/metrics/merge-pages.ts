import { yieldToEventLoop } from "../../core/turns/yield-to-event-loop.js";
import type { Across } from "./series.js";

/** The page of one process in the text format of Prometheus, and the gauges that are not added up, by name. */
export interface PagePart {
  readonly body: string;
  readonly across: Readonly<Record<string, Across>>;
  /** Whether the process has ended: its gauges tell nothing then. Default: it runs. */
  readonly hasEnded?: boolean;
}

/** Lines that are read before other work comes in between: some ms. */
const PART = 10_000;

/** A metric of the page that is made. */
interface Merged {
  /** Its lines of HELP and TYPE. */
  head: string;
  /** Whether its value tells what is now, and nothing of what has been. */
  isGauge: boolean;
  readonly across: Across;
  /** Values by name and labels, as they stand in a line. */
  readonly series: Map<string, number>;
}

/**
 * Makes one page of those of several processes: counters and histograms are added up, gauges too unless they say otherwise. Other work
 * comes in between.
 */
export async function mergePages(parts: readonly PagePart[]): Promise<string> {
  const metrics = new Map<string, Merged>();
  let lines = 0;
  for (const { body, across, hasEnded = false } of parts) {
    let metric: Merged | undefined;
    for (let from = 0; from < body.length; ) {
      const found = body.indexOf("\n", from);
      const to = found < 0 ? body.length : found;
      const line = body.slice(from, to);
      from = to + 1;
      if (line.startsWith("#")) metric = readHead(line, metrics, across);
      else if (line !== "" && metric !== undefined && !(hasEnded && metric.isGauge)) add(metric, line);
      if (++lines % PART === 0) await yieldToEventLoop();
    }
  }
  let page = "";
  for (const { head, series } of metrics.values()) {
    page += head;
    for (const [name, value] of series) {
      page += `${name} ${writeNumber(value)}\n`;
      if (++lines % PART === 0) await yieldToEventLoop();
    }
  }
  return page;
}

/** Reads a line of HELP or TYPE. Returns the metric that it, and what follows, is of. */
function readHead(line: string, metrics: Map<string, Merged>, across: PagePart["across"]): Merged | undefined {
  const [, kind, name = "", type] = line.split(" ", 4);
  let metric = metrics.get(name);
  if (metric === undefined) {
    metric = { head: "", isGauge: false, across: across[name] ?? "sum", series: new Map() };
    metrics.set(name, metric);
  }
  if (kind === "TYPE") metric.isGauge = type === "gauge";
  // The same metric has the same head in all of them.
  if (metric.series.size === 0 && !metric.head.includes(`# ${kind} `)) metric.head += `${line}\n`;
  return metric;
}

/** Adds the value of a line to its series. */
function add({ across, series }: Merged, line: string): void {
  const end = line.lastIndexOf(" ");
  const name = line.slice(0, end);
  const value = readNumber(line.slice(end + 1));
  const before = series.get(name);
  series.set(name, before === undefined ? value : together(before, value, across));
}

function together(one: number, other: number, across: Across): number {
  if (across === "sum") return one + other;
  return across === "max" ? Math.max(one, other) : Math.min(one, other);
}

function readNumber(text: string): number {
  return Number(text.replace("Inf", "Infinity"));
}

function writeNumber(value: number): string {
  return String(value).replace("Infinity", "Inf");
}
