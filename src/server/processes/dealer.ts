import type { Socket } from "node:net";
import type { Clock, Timer } from "../../core/clock.js";
import type { ConnectionObserver } from "../http/connection-observer.js";
import { type ConnectionLimits, createConnectionRoom } from "../http/connection-room.js";

/** How long a connection waits for a process that can take it, ms: as long as it may be silent itself. */
const WAIT_MS = 10_000;

/** Hands a connection to a process, under a number of its own. Returns false when the process has ended. */
export type Hand = (connection: number, socket: Socket) => boolean;

/** A process that connections are dealt to. */
export interface Seat {
  /** It has the last one, and can take another. */
  taken(): void;
  /** These have closed. */
  closed(connections: readonly number[]): void;
  /** It takes no more; those that it has stay open. Idempotent. */
  close(): void;
  /** It has ended, and all its connections with it. Idempotent. */
  leave(): void;
}

/** Deals the connections of one port to several processes. */
export interface Dealer {
  /** Deals a connection, of which nothing may have been read. */
  deal(socket: Socket): void;
  /** Adds a process. */
  seat(hand: Hand): Seat;
  /** Whether any process takes connections. */
  readonly hasSeats: boolean;
  /** Closes the connections that wait, and those to come. */
  end(): void;
}

/** Dependencies of a dealer. */
export interface DealerDeps {
  readonly clock: Clock;
  readonly observer: Pick<ConnectionObserver, "refused">;
}

/** A connection that waits for a process. */
interface Waiting {
  readonly connection: number;
  readonly socket: Socket;
  readonly address: string | undefined;
  readonly timer: Timer;
}

interface Place {
  readonly hand: Hand;
  /** Addresses of the connections that it has, by their numbers. */
  readonly open: Map<number, string | undefined>;
  /** Whether it has not said yet that it has the last one. */
  isBusy: boolean;
  isClosed: boolean;
  /** The last connection that it was handed. */
  last: number;
}

/**
 * Creates a dealer. A connection goes to the process that has the fewest, of those that have taken what they were handed before: clients
 * keep theirs for long, so that counting deals better than taking turns, also after a process was started again; and one that stands
 * still is handed one at the most. Those with equally many take turns. The limits are those of all processes together.
 */
export function createDealer(limits: ConnectionLimits, { clock, observer }: DealerDeps): Dealer {
  const room = createConnectionRoom(limits);
  const places = new Set<Place>();
  const waiting = new Map<number, Waiting>();
  let last = 0;
  let isEnded = false;

  function choose(): Place | undefined {
    let best: Place | undefined;
    for (const place of places) {
      if (place.isBusy || place.isClosed) continue;
      if (best === undefined || isBetter(place, best)) best = place;
    }
    return best;
  }

  /** Hands out what waits, as far as there are processes for it. */
  function handOut(): void {
    for (const [connection, { socket, address, timer }] of waiting) {
      const place = choose();
      if (place === undefined) return;
      if (!place.hand(connection, socket)) {
        place.isClosed = true;
        handOut();
        return;
      }
      timer.cancel();
      waiting.delete(connection);
      place.isBusy = true;
      place.last = connection;
      place.open.set(connection, address);
    }
  }

  function giveUp(connection: number): void {
    const found = waiting.get(connection);
    if (found === undefined) return;
    found.timer.cancel();
    waiting.delete(connection);
    found.socket.destroy();
    room.leave(found.address);
  }

  return {
    deal(socket) {
      const { remoteAddress: address } = socket;
      // A client may be gone already.
      socket.on("error", () => {});
      if (isEnded) {
        socket.destroy();
        return;
      }
      const refusal = room.enter(address);
      if (refusal !== undefined) {
        socket.destroy();
        observer.refused(refusal, address);
        return;
      }
      const connection = ++last;
      const timer = clock.setTimer(WAIT_MS, () => giveUp(connection));
      waiting.set(connection, { connection, socket, address, timer });
      handOut();
    },

    seat(hand) {
      const place: Place = { hand, open: new Map(), isBusy: false, isClosed: false, last: 0 };
      places.add(place);
      handOut();
      return {
        taken() {
          place.isBusy = false;
          handOut();
        },
        closed(connections) {
          for (const connection of connections) {
            const address = place.open.get(connection);
            if (place.open.delete(connection)) room.leave(address);
          }
        },
        close() {
          place.isClosed = true;
        },
        leave() {
          places.delete(place);
          for (const address of place.open.values()) room.leave(address);
          place.open.clear();
        },
      };
    },

    get hasSeats() {
      for (const { isClosed } of places) if (!isClosed) return true;
      return false;
    },

    end() {
      isEnded = true;
      for (const connection of [...waiting.keys()]) giveUp(connection);
    },
  };
}

function isBetter(one: Place, other: Place): boolean {
  return one.open.size < other.open.size || (one.open.size === other.open.size && one.last < other.last);
}
