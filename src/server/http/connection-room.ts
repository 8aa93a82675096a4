import { isIPv6 } from "node:net";
import { isLoopback } from "../config/loopback.js";

/** Connections that a port takes. */
export interface ConnectionLimits {
  /** In all. */
  readonly maxConnections: number;
  /** Of one address that is not of this machine; those of this machine are proxies and programs of the operator. */
  readonly maxConnectionsPerAddress: number;
}

/** Why a connection was refused: the server has its number, or the address has. */
export type ConnectionRefusal = "server_full" | "address_full";

/** The places for connections. */
export interface ConnectionRoom {
  /** Takes a place. Returns why there is none, if so; then nothing is to be given back. */
  enter(address: string | undefined): ConnectionRefusal | undefined;
  /** Gives a place back. */
  leave(address: string | undefined): void;
}

/** Creates a room. */
export function createConnectionRoom({ maxConnections, maxConnectionsPerAddress }: ConnectionLimits): ConnectionRoom {
  let all = 0;
  const byClient = new Map<string, number>();

  return {
    enter(address) {
      if (all >= maxConnections) return "server_full";
      const client = clientOf(address);
      if (client !== undefined) {
        const open = byClient.get(client) ?? 0;
        if (open >= maxConnectionsPerAddress) return "address_full";
        byClient.set(client, open + 1);
      }
      all++;
      return undefined;
    },

    leave(address) {
      all--;
      const client = clientOf(address);
      if (client === undefined) return;
      const open = (byClient.get(client) ?? 1) - 1;
      if (open === 0) byClient.delete(client);
      else byClient.set(client, open);
    },
  };
}

/**
 * Whom an address belongs to: of version 6 one client has a whole network of 64 bits. Undefined for this machine, and for
 * connections that are closed already.
 */
function clientOf(address: string | undefined): string | undefined {
  if (address === undefined || isLoopback(address)) return undefined;
  const version4 = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  return version4 ?? (isIPv6(address) ? networkOf(address) : address);
}

/** The first four groups of an address of version 6. */
function networkOf(address: string): string {
  const [head = "", tail] = address.split("%")[0]?.split("::") ?? [];
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const left = tail === undefined ? 0 : 8 - groups.length - after.length;
  return [...groups, ...Array<string>(Math.max(0, left)).fill("0"), ...after].slice(0, 4).join(":");
}
