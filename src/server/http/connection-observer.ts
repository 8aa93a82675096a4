import type { ConnectionRefusal } from "./connection-room.js";

/** Why a connection was ended before its client wanted it: it flooded the server, or took nothing of what it was sent. */
export type ConnectionCut = "flood" | "stalled";

/** Is told of connections, for metrics and the log. */
export interface ConnectionObserver {
  /** A connection has opened (+1) or closed (-1). */
  connections(change: 1 | -1): void;
  /** A connection, or one of its streams, was not taken or was ended. */
  refused(reason: ConnectionRefusal | ConnectionCut, address: string | undefined): void;
  /** Connections could not be accepted: the process has no file descriptors left, for instance. It goes on to accept. */
  acceptFailed(error: Error): void;
}

/** Tells nobody. */
export const SILENT_OBSERVER: ConnectionObserver = { connections() {}, refused() {}, acceptFailed() {} };
