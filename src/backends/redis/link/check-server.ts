import { randomBytes } from "node:crypto";
import type { Logger } from "../../../model/log/logger.js";
import { SCHEMA_VERSION } from "../layout/table.js";
import type { Keys } from "../scripts/keys.js";
import { CHECK_SCHEMA } from "../scripts/registry.js";
import { CHECK_RIGHTS } from "../scripts/rights.js";
import { plainScript } from "../scripts/script.js";
import { type Connection, isDenied, type Reply } from "./connection.js";

/** Oldest major version of Redis that has the script flags we need: `allow-oom` lets jobs end when memory is full. */
const MIN_VERSION = 7;

const SCHEMA = plainScript("end", CHECK_SCHEMA);
const RIGHTS = plainScript("end", CHECK_RIGHTS);

/** This Redis cannot be used, and waiting will not help: its version, its settings or its data are wrong. */
export class RedisUnusable extends Error {
  override readonly name = "RedisUnusable";
}

/**
 * Throws RedisUnusable for a Redis that is too old, holds another layout, or denies its user what is needed; logs a
 * warning for each risk to jobs. Resolves to the name of the store.
 */
export async function checkServer(connection: Connection, keys: Keys, logger: Logger): Promise<string> {
  const text = await connection
    .call((client) => client.info())
    .catch((error) => {
      if (!isDenied(error)) throw error;
      logger.warn({}, "the Redis user may not use INFO: the version of Redis and its settings are not checked");
      return "";
    });
  const info = readInfo(text);
  const version = info.get("redis_version") ?? "unknown";
  if (Number.parseInt(version, 10) < MIN_VERSION) {
    throw new RedisUnusable(`Redis ${version} is too old: version ${MIN_VERSION} or later is needed`);
  }
  const store = await checkSchema(connection, keys).catch(async (error) => {
    // Redis tells such a user the hash of the script, not the command.
    if (isDenied(error)) await checkRights(connection, keys);
    throw error;
  });
  await checkRights(connection, keys);
  // A hosted Redis may forbid CONFIG: then there is less advice.
  const saves = await connection.call((client) => client.call("CONFIG", "GET", "save")).catch(() => undefined);
  for (const warning of adviceOn(info, Array.isArray(saves) ? String(saves[1]) : undefined)) logger.warn({}, warning);
  return store;
}

/** Throws RedisUnusable when the user may not run a command that is needed, or not publish to the channel. */
async function checkRights(connection: Connection, keys: Keys): Promise<void> {
  const names = [keys.schema, keys.queues, `${keys.schema}:none`];
  // EVAL, which is needed for scripts that Redis has forgotten, even if it knows this one.
  const missing = (await connection.call((client) => {
    return client.eval(RIGHTS.text, names.length, ...names, keys.channel, SCHEMA_VERSION);
  })) as string[];
  await connection.call((client) => client.ping());
  if (missing.length === 0) return;
  const rights = missing.map((command) => (command === "PUBLISH" ? `PUBLISH to the channel ${keys.channel}` : command));
  throw new RedisUnusable(lacksRights(rights));
}

/** Says that the user may not do these things. */
export function lacksRights(rights: readonly string[]): string {
  return `the Redis user lacks the right to ${rights.join(", ")}`;
}

/**
 * Throws RedisUnusable when the data have another layout; marks an empty Redis as having ours. Resolves to the name of
 * the store, which is another one when the data were lost in between.
 */
export async function checkSchema(connection: Connection, keys: Keys): Promise<string> {
  const name = randomBytes(9).toString("base64url");
  const reply = await connection.script(SCHEMA, [keys.schema, keys.store], [SCHEMA_VERSION, name]);
  const [schema, store] = (reply as readonly Reply[]).map(String) as [string, string];
  if (Number(schema) === SCHEMA_VERSION) return store;
  throw new RedisUnusable(
    `the jobs in this Redis were written by another version of GoTaskQ (layout ${schema}; this one reads ${SCHEMA_VERSION})`,
  );
}

/** What to change so that this Redis loses no jobs. `saves`: its `save` setting, "" for no snapshots. */
export function adviceOn(info: ReadonlyMap<string, string>, saves: string | undefined): string[] {
  const advice: string[] = [];
  const policy = info.get("maxmemory_policy");
  if (policy !== undefined && policy !== "noeviction") {
    advice.push(
      `Redis drops keys when its memory is full (maxmemory-policy ${policy}), jobs too: set it to noeviction`,
    );
  }
  if (info.get("aof_enabled") === "0") {
    advice.push(
      saves === ""
        ? "Redis keeps nothing on disk: jobs end with it; set appendonly yes"
        : "Redis writes snapshots only: a crash loses the jobs since the last one; set appendonly yes",
    );
  }
  return advice;
}

/** Parses the answer of INFO into its fields. */
export function readInfo(text: string): Map<string, string> {
  const fields = text.split("\r\n").flatMap((line) => {
    const colon = line.indexOf(":");
    return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 1)] as const] : [];
  });
  return new Map(fields);
}
