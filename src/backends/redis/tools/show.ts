import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { Redis } from "ioredis";
import { idKey } from "../layout/codec.js";
import { type Decoded, decode, encodeFields, type HeldName } from "../layout/decode.js";
import { CODES, QUEUE_KEYS, type QueueKey } from "../layout/table.js";
import { createClient } from "../link/client.js";
import type { RedisTls } from "../link/tls.js";
import { hidePassword, parseRedisUrl } from "../link/url.js";
import { readKey } from "./dump.js";

// npm run redis:show -- redis://127.0.0.1:6379 mail          shows a queue as it lies in Redis
// npm run redis:show -- redis://127.0.0.1:6379 mail 1191736  shows a job
//
// Reads only. REDIS_PREFIX is read as by the server.

/** Entries shown of each key of a queue. */
const FEW = 3;

/** Shows a queue: its meta, and the size and the first entries of its other keys. Undefined when there is none. */
export async function showQueue(client: Redis, prefix: string, queue: string): Promise<Decoded | undefined> {
  const base = `${prefix}:{${queue}}:`;
  const meta = await client.hgetall(`${base}meta`);
  if (Object.keys(meta).length === 0) return undefined;
  const keys: Record<string, unknown> = {};
  const types = await client.srandmember(`${base}ready_types`, FEW);
  const lines = await linesOf(client, base);
  for (const name of Object.keys(QUEUE_KEYS) as QueueKey[]) {
    if (name === "meta" || name === "lease_calls") continue;
    for (const key of keysOf(name, types, lines)) {
      const size = await sizeOf(client, base + key, name);
      const entries = await readKey(client, base + key, name, FEW);
      if (size > 0)
        keys[key] = { size, first: entries.map(({ at, raw, decoded }) => [at, plain(decoded) ?? String(raw)]) };
    }
  }
  return { meta: plain(meta), keys };
}

/** Shows a job: its records, and the lines that it stands in with its score there. Undefined when there is none. */
export async function showJob(client: Redis, prefix: string, queue: string, id: string): Promise<Decoded | undefined> {
  const base = `${prefix}:{${queue}}:`;
  const records: Record<string, Decoded> = {};
  for (const name of ["specs", "states", "errors", "results"] as const) {
    const raw = await client.hgetBuffer(base + name, id);
    if (raw !== null) records[name] = plain(decode(QUEUE_KEYS[name].holds as HeldName, raw)) as Decoded;
  }
  const { specs } = records;
  if (specs === undefined) return undefined;
  const spec = decode("spec", (await client.hgetBuffer(`${base}specs`, id)) as Buffer);
  const { created_at, type, priority } = spec;
  const { key } = spec.extras as { readonly key?: string };
  const id_length = idKey(id).charAt(0);
  const member = `${encodeFields("member", { id_length })}${id}:${type}`;
  const place = encodeFields("place", { created_at: Number(created_at), id_length }) + id;
  const scheduled = encodeFields("scheduled_member", { priority: Number(priority) });
  const raw = await client.hgetBuffer(`${base}states`, id);
  const run_after = Number(raw === null ? spec.run_after : decode("state", raw).run_after);
  const delayed = encodeFields("delayed_member", { run_after, priority: Number(priority) });
  const places: readonly (readonly [string, string])[] = [
    ["index", `${place}:${type}`],
    [`ready:${type}`, place],
    [lineOf(key ?? "", String(type)), place],
    ["scheduled", `${scheduled}${place}:${type}`],
    ["delayed", `${delayed}${place}:${type}`],
    ["retrying", id],
    ["leases", id],
    ["dead", member],
  ];
  const lines: Record<string, string> = {};
  for (const [name, text] of places) {
    const score = await client.zscore(base + name, text);
    if (score !== null) lines[name] = score;
  }
  return { ...records, lines, request_id: (await client.hget(`${base}requests_of_jobs`, id)) ?? undefined };
}

/** The keys of this name that are shown. */
function keysOf(name: QueueKey, types: readonly string[], lines: readonly string[]): readonly string[] {
  if (name === "line") return lines;
  return name === "ready" || name === "turns" ? types.map((type) => `${name}:${type}`) : [name];
}

/** The line of the jobs of a key and type. */
function lineOf(key: string, type: string): string {
  return `line:${String(Buffer.byteLength(key)).padStart(3, "0")}${key}${type}`;
}

/** A few of the lines of keys. */
async function linesOf(client: Redis, base: string): Promise<string[]> {
  const [, found] = await client.hscan(`${base}key_types`, "0", "COUNT", FEW);
  const lines: string[] = [];
  for (let at = 0; at < found.length; at += 2) {
    const types: unknown = JSON.parse(found[at + 1] as string);
    if (Array.isArray(types)) lines.push(...types.map((type) => lineOf(found[at] as string, type)));
  }
  for (const set of ["shown_lines", "hidden_lines"]) {
    lines.push(...(await client.zrange(base + set, "0", String(FEW - 1))).map((line) => `line:${line}`));
  }
  return lines.slice(0, FEW);
}

const COUNTS = { hash: "hlen", list: "llen", set: "scard", stream: "xlen", string: "exists", zset: "zcard" } as const;

function sizeOf(client: Redis, key: string, name: QueueKey): Promise<number> {
  return client[COUNTS[QUEUE_KEYS[name].type]](key);
}

/** For people: codes by their names, and times as dates. */
function plain(value: unknown, name = ""): unknown {
  if (Array.isArray(value)) return value.map((each) => plain(each));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each, key)]));
  }
  const codes: Readonly<Record<string, string | number>> = name in CODES ? CODES[name as keyof typeof CODES] : {};
  const known = Object.keys(codes).find((key) => codes[key] === value);
  if (known !== undefined) return known;
  const at = Number(value);
  return /(^|_)at$|^run_after$|^epoch$/.test(name) && at !== 0 ? new Date(at).toISOString() : value;
}

/** TLS of a `rediss` URL, from the same variables as the server's. */
function readTls(env: NodeJS.ProcessEnv): RedisTls {
  const read = (path: string | undefined) => (path ? readFileSync(path) : undefined);
  return {
    ca: read(env.REDIS_TLS_CA),
    cert: read(env.REDIS_TLS_CERT),
    key: read(env.REDIS_TLS_KEY),
    serverName: env.REDIS_TLS_SERVER_NAME || undefined,
  };
}

async function main([url = "", queue, id]: readonly string[]): Promise<void> {
  const target = parseRedisUrl(url);
  if (target === undefined || queue === undefined) throw new Error("give a URL of Redis, a queue, and perhaps an id");
  const prefix = process.env.REDIS_PREFIX || "gotaskq";
  const client = createClient(target, "gotaskq-show", readTls(process.env));
  let trouble = "";
  client.on("error", (error: Error) => {
    trouble = error.message;
  });
  try {
    await client.connect().catch((error: Error) => {
      throw new Error(`cannot use Redis at ${hidePassword(url)}: ${trouble || error.message}`);
    });
    const found = await (id === undefined ? showQueue(client, prefix, queue) : showJob(client, prefix, queue, id));
    if (found === undefined)
      throw new Error(`there is no ${id === undefined ? "queue" : `job ${id} in queue`} ${queue}`);
    process.stdout.write(`${JSON.stringify(found, undefined, 2)}\n`);
  } finally {
    client.disconnect();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  main(process.argv.slice(2)).catch((error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  });
}
