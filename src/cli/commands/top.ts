import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { Context, FormatOptions } from "../context.js";
import { addConnectionOptions } from "../options/connection.js";
import { addExamples, addFormatOptions } from "../options/format.js";
import { durationOption, positive } from "../options/values.js";
import { queueRecord } from "../output/records.js";
import { createFeed, type View } from "../top/feed.js";
import { frameOf } from "../top/frame.js";
import { openScreen } from "../top/screen.js";

interface TopOptions extends FormatOptions {
  readonly interval: number;
  readonly limit?: number;
}

/** A server is not to be kept busy by those who look at it. */
const MIN_INTERVAL_MS = 100;

/** How long a server may take to answer before it is shown as away, ms. */
const ANSWER_MS = 5000;

/** The exit code of a program that SIGTERM ends, as shells tell it. */
const EXIT_SIGTERM = 143;

export function configureTop(command: Command, context: Context): void {
  command
    .addOption(durationOption("--interval <duration>", "how often it is read anew", "1s"))
    .option("-n, --limit <count>", "end after so many", positive);
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq top", "until q or Ctrl-C"],
    ["gotaskq top --json --interval 1m >> figures.jsonl", "a line of figures each minute"],
  ]);
  command.action(async (options: TopOptions) => {
    const connection = context.connection(command);
    const client = await context.connect(command, { retryMs: 0, timeoutMs: ANSWER_MS, isQuiet: true });
    const feed = createFeed(client);
    const interval = Math.max(MIN_INTERVAL_MS, options.interval);
    // A dumb terminal has no screen that could be drawn anew.
    const hasScreen = context.io.stdout.isTTY === true && context.io.env.TERM !== "dumb";
    if (!context.isForPeople(options) || !hasScreen) {
      return printLines(context, feed, interval, options);
    }
    await showScreen(context, feed, interval, { url: connection.urls.join(", "), limit: options.limit });
  });
}

async function printLines(
  context: Context,
  feed: { read(): Promise<View> },
  interval: number,
  { limit = Number.POSITIVE_INFINITY, ...format }: TopOptions,
): Promise<void> {
  const url = context.urls.join(", ");
  for (let count = 1; ; count++) {
    const view = await feed.read();
    if (context.isForPeople(format)) {
      const frame = frameOf(view, { style: context.style, width: context.width, height: Number.MAX_SAFE_INTEGER, url });
      await context.print(`${frame.slice(0, -1).join("\n")}\n\n`);
    } else await context.printRecord(recordOf(view));
    if (count === limit) return;
    await sleep(interval);
  }
}

async function showScreen(
  context: Context,
  feed: { read(): Promise<View> },
  interval: number,
  { url, limit = Number.POSITIVE_INFINITY }: { readonly url: string; readonly limit?: number | undefined },
): Promise<void> {
  // Before the screen is taken: what is wrong with the token or the URL is told as of any command.
  let view = await feed.read();
  const draw = () =>
    screen.draw(frameOf(view, { style: context.style, width: screen.width, height: screen.height, url }));
  const screen = openScreen(context.io, draw);
  const stop = new AbortController();
  const ended = screen.ended.then((why) => {
    stop.abort();
    return why;
  });
  try {
    for (let count = 1; ; count++) {
      draw();
      if (count === limit) return;
      await sleep(interval, undefined, { signal: stop.signal }).catch(() => {});
      if (!stop.signal.aborted) view = await Promise.race([feed.read(), ended.then(() => view)]);
      if (stop.signal.aborted) break;
    }
    if ((await ended) === "SIGTERM") context.exitCode = EXIT_SIGTERM;
  } finally {
    screen.leave();
  }
}

function recordOf({ info, queues, rates, running, workers, problem, at }: View) {
  return {
    at: new Date(at).toISOString(),
    ...(problem !== undefined && { problem }),
    server: info,
    queues: queues.map((queue) => ({ ...queueRecord(queue), donePerSecond: rates.of(queue.name) })),
    running: running.map(({ id, type, worker, progress }) => ({ id, type, worker, progress })),
    workers: workers?.length,
  };
}
