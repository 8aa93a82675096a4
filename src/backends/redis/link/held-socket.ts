import type { Socket } from "node:net";

/** What comes on a connection, and may be left unread for a while. */
export interface Inflow {
  /** Bytes that were read and not handed on yet. */
  readonly pending: number;
  /** Leaves what comes unread. Returns what has it read again; to call that twice does nothing. */
  readonly hold: () => () => void;
}

/** The part of Node's socket that is told what to read; its types leave this out. */
interface Handle {
  reading?: boolean;
  readonly readStop?: () => unknown;
}

const handleOf = (socket: Socket) => (socket as unknown as { readonly _handle?: Handle | null })._handle;

/**
 * What comes on a socket. `Socket.pause` alone is no rest: the process still wakes up for all that comes, reads it into memory, and
 * hands it on later one piece for each time that it came. What was left in the kernel comes at once.
 */
export function inflowOf(socket: Socket): Inflow {
  return {
    get pending() {
      return socket.readableLength;
    },
    hold() {
      const handle = handleOf(socket);
      const isOpen = () => handle?.readStop !== undefined && handleOf(socket) === handle;
      let isHeld = true;
      socket.pause();
      // Not before the end of this turn: a stream that has just handed something on asks for more once again.
      setImmediate(() => {
        if (!isHeld || handle?.reading !== true || !isOpen()) return;
        handle.reading = false;
        handle.readStop?.();
      });
      return () => {
        if (!isHeld) return;
        isHeld = false;
        // The stream may wait for what it asked for, and would not ask again.
        if (handle?.reading === false && isOpen()) socket._read(0);
        socket.resume();
      };
    },
  };
}
