import { clientOf } from "../../access/client-address.js";
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
      const client = countedFor(address);
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
      const client = countedFor(address);
      if (client === undefined) return;
      const open = (byClient.get(client) ?? 1) - 1;
      if (open === 0) byClient.delete(client);
      else byClient.set(client, open);
    },
  };
}

/** Whom a connection is counted for. Undefined for this machine, and for connections that are closed already. */
function countedFor(address: string | undefined): string | undefined {
  return address === undefined || isLoopback(address) ? undefined : clientOf(address);
}
