import type { Socket } from "node:net";
import type { Clock, Timer } from "../../core/clock.js";
import type { ConnectionObserver } from "../http/connection-observer.js";
import { type ConnectionLimits, createConnectionRoom } from "../http/connection-room.js";

/** How long a connection waits for a process that takes it, ms: as long as it may be silent itself. */
const WAIT_MS = 10_000;

/** How long an offer may be without an answer before others are made one too, ms: by then the process is busy or stands still. */
const OFFER_MS = 5;

/** Most connections that a process is handed at a time. */
const MAX_HANDED = 8;

/** What is said to a process that connections are dealt to. */
export interface Player {
  /** Asks whether it can take connections now. It answers by `Seat.willing`. */
  offer(): void;
  /** Hands it a connection, under a number of its own. Returns false when the process has ended; the connection is still the dealer's. */
  hand(connection: number, socket: Socket): boolean;
}

/** A process that connections are dealt to, as the dealer sees it. */
export interface Seat {
  /** It can take connections now. */
  willing(): void;
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
  seat(player: Player): Seat;
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
  readonly socket: Socket;
  readonly address: string | undefined;
  readonly timer: Timer;
}

interface Place {
  readonly player: Player;
  /** Addresses of the connections that it has, by their numbers. */
  readonly open: Map<number, string | undefined>;
  /** Whether it has not answered an offer yet. */
  isAsked: boolean;
  isClosed: boolean;
  /** The last connection that it was handed. */
  last: number;
}

/**
 * Creates a dealer. A connection is offered to the process that has the fewest: clients keep theirs for long, so that counting deals
 * better than taking turns, also after a process was started again. Those with equally many take turns. One that does not answer at
 * once, as a handler keeps its event loop busy, is passed over, so that no connection waits for it. The limits are those of all processes
 * together.
 */
export function createDealer(limits: ConnectionLimits, { clock, observer }: DealerDeps): Dealer {
  const room = createConnectionRoom(limits);
  const places = new Set<Place>();
  /** By their numbers, the oldest first. */
  const waiting = new Map<number, Waiting>();
  let last = 0;
  /** Runs while an offer may still be answered in time. */
  let patience: Timer | undefined;
  let isEnded = false;

  /** The process to make the next offer to. */
  function choose(): Place | undefined {
    let best: Place | undefined;
    for (const place of places) {
      if (place.isAsked || place.isClosed) continue;
      if (best === undefined || isBetter(place, best)) best = place;
    }
    return best;
  }

  /** Makes an offer of what waits, and the next one when that has no answer in time. */
  function offer(): void {
    if (waiting.size === 0 || patience !== undefined) return;
    const place = choose();
    if (place === undefined) return;
    place.isAsked = true;
    place.player.offer();
    patience = clock.setTimer(OFFER_MS, () => {
      patience = undefined;
      offer();
    });
  }

  /** How many connections each process has when what waits is dealt evenly. */
  function evenly(): number {
    let open = waiting.size;
    let takers = 0;
    for (const place of places) {
      if (place.isClosed) continue;
      open += place.open.size;
      takers++;
    }
    return Math.ceil(open / takers);
  }

  /** Hands a process what waits: one, or when many do its part of them. */
  function handOut(place: Place): void {
    let count = Math.max(1, Math.min(MAX_HANDED, evenly() - place.open.size));
    for (const [connection, { socket, address, timer }] of waiting) {
      if (count-- <= 0) return;
      if (!place.player.hand(connection, socket)) {
        place.isClosed = true;
        return;
      }
      timer.cancel();
      waiting.delete(connection);
      place.last = connection;
      place.open.set(connection, address);
    }
  }

  function goOn(): void {
    patience?.cancel();
    patience = undefined;
    offer();
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
      waiting.set(connection, { socket, address, timer });
      offer();
    },

    seat(player) {
      const place: Place = { player, open: new Map(), isAsked: false, isClosed: false, last: 0 };
      places.add(place);
      goOn();
      return {
        willing() {
          place.isAsked = false;
          if (!place.isClosed) handOut(place);
          goOn();
        },
        closed(connections) {
          for (const connection of connections) {
            const address = place.open.get(connection);
            if (place.open.delete(connection)) room.leave(address);
          }
        },
        close() {
          place.isClosed = true;
          goOn();
        },
        leave() {
          if (!places.delete(place)) return;
          for (const address of place.open.values()) room.leave(address);
          place.open.clear();
          goOn();
        },
      };
    },

    get hasSeats() {
      for (const { isClosed } of places) if (!isClosed) return true;
      return false;
    },

    end() {
      isEnded = true;
      patience?.cancel();
      for (const connection of [...waiting.keys()]) giveUp(connection);
    },
  };
}

function isBetter(one: Place, other: Place): boolean {
  return one.open.size < other.open.size || (one.open.size === other.open.size && one.last < other.last);
}
