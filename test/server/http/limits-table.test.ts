import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseDuration } from "../../../src/model/common/duration.js";
import { readConfig } from "../../../src/server/config/config.js";
import { DEFAULT_LIMITS } from "../../../src/server/config/connection-config.js";
import { CONNECTION_TIMES } from "../../../src/server/http/connection-times.js";
import { BURST_BYTES, FORGOTTEN_A_SECOND } from "../../../src/server/http/frame-budget.js";
import { MAX_HEADER_BYTES } from "../../../src/server/http/listener.js";

const section = /#### Of connections\n\n(.*?)\n\n/s.exec(readFileSync("proto/README.md", "utf8"))?.[1] ?? "";
const rows = section.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));

/** The second column of the row whose first begins with this, or whose variable this is. */
function limit(of: string): string {
  const found = rows.filter(([, what, , variable]) => what?.startsWith(of) || variable === `\`${of}\``);
  expect(found, of).toHaveLength(1);
  return found[0]?.[2] ?? "";
}

test("the limits of connections in the README are those of the code", () => {
  const { requestTimeoutMs, connections } = readConfig({});
  const durations = { REQUEST_TIMEOUT: requestTimeoutMs, IDLE_TIMEOUT: connections.idleTimeoutMs };
  const clocks = { "first bytes": CONNECTION_TIMES.firstBytesMs, "TLS handshake": CONNECTION_TIMES.handshakeMs };
  for (const [of, ms] of Object.entries({ ...durations, WRITE_TIMEOUT: connections.writeTimeoutMs, ...clocks })) {
    expect(parseDuration(limit(of)), of).toBe(ms);
  }
  const { pingAfterMs, goneAfterMs } = CONNECTION_TIMES;
  expect(limit("silence").split(", ").map(parseDuration)).toEqual([pingAfterMs, goneAfterMs]);
  const numbers = { MAX_CONNECTIONS: DEFAULT_LIMITS.maxConnections, MAX_CALLS_PER_CONNECTION: DEFAULT_LIMITS.maxCalls };
  for (const [of, number] of Object.entries(numbers)) expect(Number.parseInt(limit(of), 10), of).toBe(number);
  expect(limit("headers")).toContain(`${MAX_HEADER_BYTES >> 10} KiB`);
  expect(limit("what an HTTP/2 client")).toBe(`${BURST_BYTES >> 20} MiB at a time, ${FORGOTTEN_A_SECOND >> 10} KiB/s`);
});
