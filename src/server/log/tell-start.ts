import { readVersion } from "../../version.js";
import { asksForToken } from "../access/access-config.js";
import type { Config } from "../config/config.js";
import { isLoopback } from "../config/loopback.js";
import type { ProcessLog } from "./process-log.js";

/** What a server that has started tells. */
export interface Started {
  readonly url: string;
  /** `memory`, `file` or `redis`. */
  readonly backend: string;
  /** Types of the handlers of HANDLERS; undefined: the built-in ones. */
  readonly handlers: readonly string[] | undefined;
}

/** Tells that the server listens: in a line of the log, or at a terminal with a command to try it with. */
export function tellStart(log: ProcessLog, { url, backend, handlers }: Started, config: Config): void {
  const isOpen = !asksForToken(config.access) && !isLoopback(config.host);
  if (isOpen) log.life.warn({ host: config.host }, "AUTH=none: everybody who reaches this server may do everything");
  if (log.format === "json") {
    const isolation = config.isolation?.isolation ?? "none";
    const versions = { version: readVersion(), node: process.version };
    const fields = { url, backend, handlers: handlers ?? "built-in", isolation, ...versions };
    const { processes } = config;
    const several = processes > 1 && { processes };
    log.life.info({ ...fields, ...several, pid: process.pid }, "GoTaskQ listens");
    return;
  }
  const body = JSON.stringify({ type: handlers?.[0] ?? "logger", payload: { msg: "hello" } });
  const lines = [
    `GoTaskQ listens on ${url} (Connect, gRPC, gRPC-Web; HTTP/1.1 and HTTP/2)`,
    `console: ${url}/`,
    `backend: ${backend} (${keeping(config)})`,
    `handlers: ${handlers?.join(", ") ?? "the built-in logger, echo, sleep, fail"}${placeOf(config)}`,
    ...processesOf(config),
    `try: curl ${asksForToken(config.access) ? "-H 'authorization: Bearer <token>' " : ""}-H 'content-type: application/json' -d ${shellQuoted(body)} ${url}/gotaskq.v1.JobService/CreateJob`,
  ];
  log.print(`${lines.join("\n")}\n`);
}

/** A text as one word of a shell, whatever is in it. */
function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** What the processes of the server do, when there are several. */
function processesOf({ processes, redis }: Config): readonly string[] {
  if (processes === 1) return [];
  const store = redis === undefined ? ", one keeps the jobs" : "";
  return [`processes: ${processes} serve${store}, and this one (${process.pid}) deals them connections`];
}

/** Where handlers run, when it is not in the server's own thread. */
function placeOf({ isolation, numWorkers }: Config): string {
  return isolation === undefined ? "" : ` (in up to ${numWorkers} ${isolation.isolation})`;
}

/** What becomes of the jobs when the process ends. */
function keeping({ redis, dataDir, durability }: Config): string {
  if (redis !== undefined) return "jobs survive this process; servers on it share them";
  if (dataDir === undefined) return "jobs end with this process; DATA_DIR=./data keeps them in a file";
  return `jobs are kept in ${dataDir} and survive this process${durability === "power" ? " and a power cut" : ""}`;
}
