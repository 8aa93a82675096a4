import type { Job, Queue } from "../../client/index.js";
import { barText } from "../output/progress.js";
import { fitted, inLine, type Style } from "../output/style.js";
import { type Cell, tableText } from "../output/table.js";
import { distanceText, durationText } from "../output/times.js";
import type { View } from "./feed.js";

/** Fewest lines for jobs that run, when there are any and many queues. */
const MIN_RUNNING = 5;

/** The lines of a screen of this size. */
export function frameOf(
  view: View,
  {
    style,
    width,
    height,
    url,
  }: { readonly style: Style; readonly width: number; readonly height: number; readonly url: string },
): readonly string[] {
  const head = headLines(view, style, width, url);
  const queues = byUrgency(view);
  const room = height - head.length - 1;
  const runningRoom = view.running.length === 0 ? 0 : Math.max(MIN_RUNNING, room - queues.length - 2);
  const queueRows = Math.max(1, room - 1 - (runningRoom === 0 ? 0 : runningRoom + 1));
  const lines = [...head, ...linesOf(queueTable(view, queues.slice(0, queueRows), style, width))];
  const hidden = queues.length - queueRows;
  if (hidden > 0) lines[lines.length - 1] = style("dim", `and ${hidden + 1} more queues`);
  if (view.running.length > 0) {
    const rows = Math.max(1, height - lines.length - 3);
    lines.push("", ...linesOf(runningTable(view.running.slice(0, rows), style, width, view.at)));
  }
  return [...lines.slice(0, height - 1), style("dim", fitted("q quits", width))];
}

function headLines(
  { info, queues, rates, workers, problem, at }: View,
  style: Style,
  width: number,
  url: string,
): string[] {
  const server =
    info === undefined
      ? ""
      : `  ${info.store}, version ${info.version}, up ${durationText(info.uptimeMs)}${info.draining ? ", shutting down" : ""}`;
  const sum = (count: (stats: Queue["stats"]) => number) => queues.reduce((all, { stats }) => all + count(stats), 0);
  const rate = queues.reduce((all, { name }) => all + (rates.of(name) ?? 0), 0);
  const crew =
    workers === undefined
      ? ""
      : `, ${workers.length} workers with ${workers.reduce((all, each) => all + each.capacity, 0)} slots`;
  const figures = `${rateText(rate)} done/s, ${sum((stats) => stats.ready)} ready, ${sum((stats) => stats.running)} running, ${sum((stats) => stats.dead)} dead${crew}`;
  const title = fitted(inLine(`gotaskq top  ${url}${server}  ${new Date(at).toTimeString().slice(0, 8)}`), width);
  const lines = [style("bold", title), fitted(figures, width)];
  if (problem !== undefined) lines.push(style("red", fitted(`away: ${inLine(problem)}`, width)));
  return [...lines, ""];
}

/** Those with most to do first. */
function byUrgency({ queues, rates }: View): readonly Queue[] {
  const weight = ({ name, stats }: Queue) => stats.running + stats.ready + stats.limited + (rates.of(name) ?? 0);
  return queues.toSorted((a, b) => weight(b) - weight(a) || (a.name < b.name ? -1 : 1));
}

function queueTable({ rates }: View, queues: readonly Queue[], style: Style, width: number): string {
  const columns = [
    { title: "QUEUE", isElastic: true },
    { title: "DONE/S", isRight: true },
    { title: "READY", isRight: true },
    { title: "LATER", isRight: true },
    { title: "RUNNING", isRight: true },
    { title: "DEAD", isRight: true },
    { title: "OLDEST", isRight: true },
    { title: "" },
  ];
  const rows = queues.map(({ name, paused, stats }): Cell[] => [
    inLine(name),
    rates.of(name) === undefined ? "" : rateText(rates.of(name) ?? 0),
    stats.ready + stats.limited,
    stats.scheduled + stats.retrying,
    { text: String(stats.running), look: stats.running > 0 ? "cyan" : undefined },
    { text: String(stats.dead), look: stats.dead > 0 ? "red" : undefined },
    stats.oldestReadyAgeMs === undefined ? "" : durationText(stats.oldestReadyAgeMs),
    { text: paused ? "paused" : "", look: "yellow" },
  ]);
  return tableText(columns, rows, { style, width });
}

function runningTable(jobs: readonly Job[], style: Style, width: number, now: number): string {
  const columns = [
    { title: "RUNNING" },
    { title: "TYPE" },
    { title: "SINCE" },
    { title: "WORKER" },
    { title: "PROGRESS", isElastic: true },
  ];
  const rows = jobs.map(({ id, type, startedAt, worker, progress }) => [
    inLine(id),
    inLine(type),
    startedAt === undefined ? "" : distanceText(startedAt, now),
    fitted(inLine(worker), 24),
    progress === undefined ? "" : `${barText(progress.percent)} ${inLine(progress.message)}`,
  ]);
  return tableText(columns, rows, { style, width });
}

function linesOf(text: string): string[] {
  return text.trimEnd().split("\n");
}

function rateText(rate: number): string {
  return rate < 10 ? rate.toFixed(1) : String(Math.round(rate));
}
