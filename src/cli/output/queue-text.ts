import type { Queue, QueueSettings } from "../../client/index.js";
import { inLine, type Style } from "./style.js";
import { type Cell, type Column, tableText } from "./table.js";
import { distanceText, durationText, momentText } from "./times.js";

const COLUMNS: readonly Column[] = [
  { title: "QUEUE" },
  { title: "READY", isRight: true },
  { title: "LIMITED", isRight: true },
  { title: "LATER", isRight: true },
  { title: "RUNNING", isRight: true },
  { title: "DEAD", isRight: true },
  { title: "DONE", isRight: true },
  { title: "OLDEST", isRight: true },
  { title: "" },
];

/** Queues as a table of their figures. */
export function queueTable(
  queues: readonly Queue[],
  { style, width }: { readonly style: Style; readonly width: number },
): string {
  return tableText(COLUMNS, queues.map(queueCells), { style, width });
}

function queueCells({ name, paused, stats }: Queue): readonly Cell[] {
  return [
    inLine(name),
    stats.ready,
    stats.limited,
    stats.scheduled + stats.retrying,
    { text: String(stats.running), look: stats.running > 0 ? "cyan" : undefined },
    { text: String(stats.dead), look: stats.dead > 0 ? "red" : undefined },
    stats.done,
    stats.oldestReadyAgeMs === undefined ? "" : durationText(stats.oldestReadyAgeMs),
    { text: paused ? "paused" : "", look: "yellow" },
  ];
}

/** A queue as a person reads it, on several lines. */
export function queueText(
  { name, paused, createdAt, stats, settings, nextSlotAt }: Queue,
  style: Style,
  now: number,
): string {
  const line = (label: string, text: string) => `  ${style("dim", label.padEnd(16))}  ${text}\n`;
  const oldest = stats.oldestReadyAgeMs;
  const waiting = `${stats.ready} ready, ${stats.limited} limited, ${stats.scheduled} scheduled, ${stats.retrying} retrying${oldest === undefined ? "" : `; the oldest for ${durationText(oldest)}`}`;
  const lines = [
    line("waiting", waiting),
    line("running", String(stats.running)),
    line("dead", stats.dead > 0 ? style("red", String(stats.dead)) : "0"),
    line("done", `${stats.done} kept, ${stats.completed} in all`),
    line("created", momentText(createdAt, now)),
  ];
  if (stats.readyTypes.length > 0) lines.push(line("ready types", inLine(stats.readyTypes.join(", "))));
  if (nextSlotAt !== undefined) lines.push(line("rate", `the next one goes ${distanceText(nextSlotAt, now)}`));
  for (const [label, text] of settingLines(settings)) lines.push(line(label, text));
  const head = `queue ${inLine(name)}${paused ? ", paused" : ""}`;
  return `${style("bold", head)}\n${lines.join("")}`;
}

function settingLines(settings: QueueSettings): [string, string][] {
  const limit = (value: number) => (value === 0 ? "no limit" : String(value));
  const orDefault = (value: number | null, write: (value: number) => string) =>
    value === null ? "as the server says" : write(value);
  const { rateLimit, defaultBackoff } = settings;
  const lines: [string, string][] = [
    ["ordering", settings.ordering],
    ["weight", String(settings.weight)],
    ["max concurrency", `${limit(settings.maxConcurrency)}; of each key: ${limit(settings.maxConcurrencyPerKey)}`],
    ["max depth", limit(settings.maxDepth)],
    [
      "rate limit",
      rateLimit === null
        ? "none"
        : `${rateLimit.count} in ${durationText(rateLimit.periodMs)}, burst ${rateLimit.burst}`,
    ],
    [
      "finished jobs",
      `kept ${orDefault(settings.completedTtlMs, durationText)}; at most ${orDefault(settings.maxCompleted, String)}`,
    ],
    [
      "dead jobs",
      `kept ${settings.deadTtlMs === null ? "for ever" : durationText(settings.deadTtlMs)}; at most ${settings.maxDead ?? "any number"}`,
    ],
    [
      "new jobs",
      `retries ${orDefault(settings.defaultMaxRetries, String)}; timeout ${settings.defaultTimeoutMs === null ? "none" : durationText(settings.defaultTimeoutMs)}; ttl ${settings.defaultTtlMs === null ? "none" : durationText(settings.defaultTtlMs)}`,
    ],
  ];
  if (defaultBackoff !== null) lines.push(["backoff", JSON.stringify(defaultBackoff)]);
  return lines;
}
