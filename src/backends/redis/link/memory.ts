import type { StoreSizes } from "../../../core/port/store-observer.js";
import { readInfo } from "./check-server.js";
import type { Connection } from "./connection.js";

/** The memory that Redis uses, and may use. Of a cluster, and for a user who may not ask, nothing is told. */
export async function readMemory(connection: Connection): Promise<StoreSizes> {
  const nothing = { isShared: true, bytes: {} };
  if (connection.hasNodes) return nothing;
  const text = await connection.call((client) => client.info("memory")).catch(() => "");
  const info = readInfo(text);
  const number = (field: string) => Number(info.get(field) ?? 0);
  if (number("used_memory") === 0) return nothing;
  return {
    isShared: true,
    bytes: { redis: number("used_memory") },
    ...(number("maxmemory") > 0 && { limitBytes: number("maxmemory") }),
  };
}
