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
  /** Takes a place until the call is over, which `onClose` of it tells. Returns false when there is none. */
  enter(connection: ClientConnection, call: { onClose(left: () => void): void }): boolean;
}

/** Creates a room. */
export function createCallRoom({ max, maxPerConnection }: CallRoomOptions): CallRoom {
  let running = 0;
  return {
    enter(connection, call) {
      if (running >= max || connection.running >= maxPerConnection) return false;
      running++;
      connection.running++;
      call.onClose(() => {
        running--;
        connection.running--;
      });
      return true;
    },
  };
}
