import type { Redis } from "ioredis";
import { expect } from "vitest";
import { idKey } from "../../../../src/backends/redis/layout/codec.js";
import { decode } from "../../../../src/backends/redis/layout/decode.js";

/** Score in `running_keys` of a key that is full, less what it runs. */
const FULL = 1e9;

const sorted = (texts: Iterable<string>): string[] => [...texts].sort();

/**
 * Holds all that Redis counts and indexes of the jobs with keys of a queue against what follows from its jobs and leases.
 * `base`: start of its keys.
 */
export async function auditKeys(client: Redis, base: string): Promise<void> {
  const meta = await client.hgetall(`${base}meta`);
  const byTurns = meta.ordering === "FAIR";
  const limit = Number(meta.max_concurrency_per_key ?? 0);
  const keys = await client.hgetall(`${base}keys`);
  const specs = await client.hgetallBuffer(`${base}specs`);
  const states = await client.hgetallBuffer(`${base}states`);
  const waiting = new Set<unknown>();
  for (const name of ["scheduled", "delayed"] as const) {
    for (const raw of await client.zrange(`${base}${name}`, "0", "-1")) {
      waiting.add(decode(`${name}_member`, Buffer.from(raw)).id);
    }
  }
  const lines = new Map<string, string[]>();
  const unkeyed = new Map<string, string[]>();
  const running = new Map<string, number>();
  for (const [id, raw] of Object.entries(specs)) {
    const spec = decode("spec", raw);
    expect((spec.extras as { key?: string }).key, `key of ${id}`).toBe(keys[id]);
    const state = states[id] && decode("state", states[id]);
    const type = String(spec.type);
    const key = keys[id] ?? (byTurns ? "" : undefined);
    if (state?.status === 1 && key !== undefined && key !== "") running.set(key, (running.get(key) ?? 0) + 1);
    if ((state?.status ?? 0) !== 0 || waiting.has(id)) continue;
    const place = Number(spec.created_at).toString(16).padStart(11, "0") + idKey(id);
    if (key === undefined) unkeyed.set(type, [...(unkeyed.get(type) ?? []), place]);
    else {
      const name = String(Buffer.byteLength(key)).padStart(3, "0") + key + type;
      lines.set(name, [...(lines.get(name) ?? []), place]);
    }
  }
  expect(sorted(Object.keys(keys)), "keys of jobs that are gone").toEqual(
    sorted(Object.keys(keys).filter((id) => id in specs)),
  );
  const found = (await client.keys(`${base}line:*`)).map((key) => key.slice(base.length + "line:".length));
  expect(sorted(found), "lines").toEqual(sorted(lines.keys()));
  const shownLines = await client.zrange(`${base}shown_lines`, "0", "-1");
  const hiddenLines = new Set(await client.zrange(`${base}hidden_lines`, "0", "-1"));
  const wide = [...shownLines, ...hiddenLines];
  const wideKeys = new Set<string>();
  const types = Object.entries(await client.hgetall(`${base}key_types`)).flatMap(([key, list]) => {
    const types: readonly string[] | number = JSON.parse(list);
    const prefix = String(Buffer.byteLength(key)).padStart(3, "0") + key;
    if (typeof types !== "number") return types.map((type) => prefix + type);
    wideKeys.add(key);
    const own = wide.filter((line) => line.startsWith(prefix));
    expect(own.length, `lines of ${key}`).toBe(types);
    return own;
  });
  expect(sorted(types), "key_types").toEqual(sorted(lines.keys()));
  expect(
    wide.filter((line) => !types.includes(line)),
    "lines of wide keys",
  ).toEqual([]);
  const scores = await client.zrange(`${base}running_keys`, "0", "-1", "WITHSCORES");
  const full = new Set<string>();
  const counted = new Map<string, number>();
  for (let at = 0; at < scores.length; at += 2) {
    const [key = "", score = ""] = scores.slice(at, at + 2);
    if (Number(score) >= FULL) full.add(key);
    counted.set(key, Number(score) % FULL);
  }
  expect(counted, "running_keys").toEqual(running);
  expect(full, "full keys").toEqual(
    new Set([...running].filter(([, n]) => limit > 0 && n >= limit).map(([key]) => key)),
  );
  let held = 0;
  const heldTypes: Record<string, string> = {};
  const entries = new Map<string, Set<string>>();
  const behind: Record<string, string> = {};
  const active = new Set<string>();
  for (const [type, places] of unkeyed) entries.set(type, new Set(places));
  for (const [name, places] of lines) {
    expect(await client.zcard(`${base}line:${name}`), name).toBe(places.length);
    const bytes = Buffer.from(name);
    const end = 3 + Number(name.slice(0, 3));
    const [key, type] = [bytes.toString("utf8", 3, end), bytes.toString("utf8", end)];
    const [first = ""] = await client.zrange(`${base}line:${name}`, "0", "0");
    if (wideKeys.has(key)) expect(hiddenLines.has(name), `whether ${name} is hidden`).toBe(full.has(key));
    if (full.has(key)) {
      held += places.length;
      heldTypes[type] = String(Number(heldTypes[type] ?? 0) + places.length);
      continue;
    }
    active.add(key);
    entries.set(type, (entries.get(type) ?? new Set()).add(byTurns ? key : first));
    if (places.length > 1) behind[type] = String(Number(behind[type] ?? 0) + places.length - 1);
  }
  expect(Number(meta.held ?? 0), "held").toBe(held);
  expect(await client.hgetall(`${base}held_types`), "held_types").toEqual(heldTypes);
  expect(await client.hgetall(`${base}behind`), "behind").toEqual(behind);
  expect(sorted(await client.smembers(`${base}ready_types`)), "ready_types").toEqual(sorted(entries.keys()));
  const turns = new Map<string, number>();
  for (const [key, text] of Object.entries(await client.hgetall(`${base}active_keys`))) {
    turns.set(key, Number(text.split(" ")[0]));
  }
  if (byTurns) expect(sorted(turns.keys()), "active_keys").toEqual(sorted(active));
  for (const [type, expected] of entries) {
    const all = await client.zrange(`${base}${byTurns ? "turns" : "ready"}:${type}`, "0", "-1", "WITHSCORES");
    const members = all.filter((_, at) => at % 2 === 0);
    const names = byTurns ? members.map((raw) => String(decode("turn_entry", Buffer.from(raw)).key)) : members;
    expect(sorted(names), `entries of ${type}`).toEqual(sorted(expected));
    for (const [at, name] of byTurns ? names.entries() : []) {
      const [score, turn] = [Number(all[at * 2 + 1]), turns.get(name)];
      // Those of a wide key are put right when they are met.
      if (wideKeys.has(name)) expect(score, name).toBeLessThanOrEqual(turn ?? -1);
      else expect(score, name).toBe(turn);
    }
  }
  const idle = await client.zrange(`${base}idle_keys`, "0", "-1");
  expect(
    idle.filter((key) => turns.has(key)),
    "idle_keys",
  ).toEqual([]);
}
