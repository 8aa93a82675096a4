import type { ClientConnection } from "./connection.js";

/** Calls that a room has. */
export interface CallRoomOptions {
  /** In all. */
  readonly max: number;
  /** Of one connection, so that no client takes all of them. */
  readonly maxPerConnection: number;
}

/** The places for calls that run. A call takes one once its request is whole: one whose body never comes takes none. */
export interface CallRoom {
  /** Takes a place until `onClose` tells that the call is over. Returns false when there is none. */
  enter(connection: ClientConnection, onClose: (left: () => void) => void): boolean;
}

/** Creates a room. */
export function createCallRoom({ max, maxPerConnection }: CallRoomOptions): CallRoom {
  let running = 0;
  return {
    enter(connection, onClose) {
      if (running >= max || connection.running >= maxPerConnection) return false;
      running++;
      connection.running++;
      onClose(() => {
        running--;
        connection.running--;
      });
      return true;
    },
  };
}
