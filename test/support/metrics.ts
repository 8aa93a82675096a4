import type { TestServer } from "./server.js";
import { eventually } from "./wait.js";

/** The value of one series of a metrics page, undefined when there is none. Labels must be in the order of the page. */
export function seriesValue(page: string, series: string): number | undefined {
  const line = page.split("\n").find((text) => text.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** Returns the number of streams that are open now, over all methods. */
export async function openStreams(server: TestServer): Promise<number> {
  const values = [...(await server.metrics()).matchAll(/^gotaskq_open_streams\{.*\} (.*)$/gm)];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

/** Resolves when this many streams are open: a server notices only a moment later that a client has left. */
export async function untilOpenStreams(server: TestServer, wanted: number): Promise<void> {
  const check = async () => ((await openStreams(server)) === wanted ? true : undefined);
  await eventually(check, `${wanted} open streams`);
}
