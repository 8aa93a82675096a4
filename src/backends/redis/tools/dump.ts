import type { Redis } from "ioredis";
import { type Decoded, decode, type HeldName } from "../layout/decode.js";
import type { KeyTable } from "../layout/describe.js";
import { QUEUE_KEYS, type QueueKey } from "../layout/table.js";

/** A value or member of a key. */
export interface Entry {
  /** Field, score, number in the list, or id; "" for a string. */
  readonly at: string;
  readonly raw: Buffer;
  /** Undefined when it is no record. */
  readonly decoded: Decoded | undefined;
}

/** Reads up to `most` entries of a key of a queue: those with the lowest scores, or the oldest. */
export async function readKey(client: Redis, key: string, name: QueueKey, most: number): Promise<Entry[]> {
  const { type, holds }: KeyTable = QUEUE_KEYS[name];
  const entries = await READERS[type](client, key, most);
  return entries.map(([at, raw]) => {
    return { at: String(at), raw, decoded: holds === undefined ? undefined : decode(holds as HeldName, raw) };
  });
}

type Pairs = readonly (readonly [at: string | number | Buffer, raw: Buffer])[];

const READERS: Readonly<Record<KeyTable["type"], (client: Redis, key: string, most: number) => Promise<Pairs>>> = {
  async hash(client, key, most) {
    // The second word of the answer; HSCAN may give a small hash whole.
    const [, found] = await client.hscanBuffer(key, "0", "COUNT", most);
    return pairsOf(found as unknown as Buffer[]).slice(0, most);
  },
  async zset(client, key, most) {
    const found = (await client.zrangeBuffer(key, "0", String(most - 1), "WITHSCORES")) as Buffer[];
    return pairsOf(found).map(([member, score]) => [score, member as Buffer]);
  },
  async list(client, key, most) {
    return (await client.lrangeBuffer(key, 0, most - 1)).map((raw, at) => [at, raw]);
  },
  async set(client, key, most) {
    const [, found] = await client.sscanBuffer(key, "0", "COUNT", most);
    return (found as unknown as Buffer[]).slice(0, most).map((raw) => [raw, raw]);
  },
  async stream(client, key, most) {
    const found = await client.xrangeBuffer(key, "-", "+", "COUNT", most);
    return found.map(([id, fields]) => [id, fields[1] as Buffer]);
  },
  async string(client, key) {
    const raw = await client.getBuffer(key);
    return raw === null ? [] : [["", raw]];
  },
};

function pairsOf(flat: readonly Buffer[]): [Buffer, Buffer][] {
  return flat.flatMap((first, at) => (at % 2 === 0 ? [[first, flat[at + 1] as Buffer] as [Buffer, Buffer]] : []));
}
