import { type Client, hasNodes } from "../link/client.js";

/** Slots of a cluster. */
const SLOTS = 16_384;

/** Most masters that are told apart; of more, parts of the slots are. A cursor has room for so many. */
const MAX_MASTERS = 32;

/** The library's view of a cluster: the nodes of each slot, the master first; and when it was read anew. */
interface SlotMap {
  readonly slots: readonly (readonly string[] | undefined)[];
  on(event: "refresh", listener: () => void): void;
}

/**
 * Tells which master has a queue, by the first of its slots: every server of the store comes to the same number. A single Redis
 * is "0". What it tells may be out of date for some seconds after slots moved: the stamps of a cursor then do not fit its
 * fingerprint.
 */
export class Masters {
  /** Called when some queues have another master. */
  changed: (() => void) | undefined;
  readonly #cluster: SlotMap | undefined;
  /** By slot: the first slot of the same master. */
  #first: readonly number[] = [];

  constructor(client: Client) {
    this.#cluster = hasNodes(client) ? (client as unknown as SlotMap) : undefined;
    this.#cluster?.on("refresh", () => this.#look());
  }

  /** The master of a queue, as text. */
  of(queue: string): string {
    return this.#cluster === undefined ? "0" : String(this.#first[slotOf(queue)] ?? 0);
  }

  #look(): void {
    const before = this.#first;
    this.#first = firstSlots(this.#cluster?.slots ?? []);
    if (this.#first.some((first, slot) => first !== before[slot])) this.changed?.();
  }
}

function firstSlots(slots: SlotMap["slots"]): number[] {
  const firsts = new Map<string, number>();
  const list = Array.from({ length: SLOTS }, (_, slot) => {
    const master = slots[slot]?.[0] ?? "";
    const first = firsts.get(master) ?? slot;
    firsts.set(master, first);
    return first;
  });
  return firsts.size <= MAX_MASTERS ? list : list.map((_, slot) => slot - (slot % (SLOTS / MAX_MASTERS)));
}

/** The slot of the keys of a queue: CRC16 (XMODEM) of its name, which is their hash tag. */
export function slotOf(queue: string): number {
  let crc = 0;
  for (const byte of Buffer.from(queue)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc % SLOTS;
}
