import type { Socket } from "node:net";
import type { Taken } from "../../../model/queue/taken.js";
import { FrameReader, packFrame } from "../codec/frames.js";
import type { Answer, Notice, Request } from "../codec/messages.js";

/** Bytes that wait for a server to read them, from which on it is asked nothing more to answer, and told nothing more. */
const FULL_BYTES = 4 * 2 ** 20;

/** How much is done for one server in a turn of the event loop: see `costOf`. */
const TURN_WORK = 100;

/** Calls whose answers may be large, or that may have to look at many jobs. */
const LARGE: ReadonlySet<string> = new Set([
  ...["get", "lease", "list", "listDead", "listKeys", "listDeadKeys", "count", "groupDead"],
  ...["act", "replay", "remove", "purge", "deleteQueue", "read", "queues", "listSchedules", "tick"],
]);

/** Whom a peer serves. */
export interface PeerOwner {
  /** Does what a server asks. */
  readonly serve: (peer: Peer, request: Request) => void;
  /** Called when there is something to send. */
  readonly dirty: (peer: Peer) => void;
  /** It reads again, after notices were left out. */
  readonly caughtUp: (peer: Peer) => void;
  readonly closed: (peer: Peer) => void;
  /** What it sent was nothing of ours. */
  readonly broken: (error: unknown) => void;
}

/**
 * A server on the store, as the store sees it. What is sent to it gathers until `flush`. When it does not read, no more of its calls are
 * looked at, and notices to it are left out: what waits for it stays bounded.
 */
export class Peer {
  /** Node id in its ids; undefined before it has said hello. */
  node: number | undefined;
  /** What its workers take; undefined: nobody knows. */
  taken: readonly Taken[] | undefined;
  /** Number of the last batch that it knows to have been told of; see the notice `told`. */
  toldNumber = -1;
  /** By queue: the types that jobs may be ready of, to be told with the next frame; null: of any. */
  readonly #ready = new Map<string, Set<string> | null>();
  readonly #socket: Socket;
  readonly #owner: PeerOwner;
  /** What is to be sent, in order: messages, and frames that were made for several. */
  #out: (Answer | Notice | Buffer)[] = [];
  #requests: Request[] = [];
  #isWorking = false;
  #hasMissed = false;
  #isClosed = false;

  constructor(socket: Socket, owner: PeerOwner) {
    this.#socket = socket;
    this.#owner = owner;
    const reader = new FrameReader((requests) => this.#requests.push(...(requests as readonly Request[])));
    socket.on("data", (chunk) => {
      try {
        reader.push(chunk);
      } catch (error) {
        owner.broken(error);
        socket.destroy();
        return;
      }
      this.#work();
    });
    socket.on("drain", () => {
      if (this.#hasMissed) {
        this.#hasMissed = false;
        owner.caughtUp(this);
      }
      this.#work();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#isClosed = true;
      this.#requests = [];
      this.#out = [];
      owner.closed(this);
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get #isFull(): boolean {
    return this.#socket.writableLength >= FULL_BYTES;
  }

  /** Sends an answer with the next frame. */
  answer(answer: Answer): void {
    this.#add(answer);
  }

  /** Tells something with the next frame, or leaves it out when it does not read. */
  tell(notice: Notice | Buffer): void {
    if (this.#isDeaf()) return;
    this.#add(notice);
  }

  /** Tells that jobs may be ready: of these types, or of any. */
  ready(queue: string, types: readonly string[] | null): void {
    if (this.#isDeaf()) return;
    const told = this.#ready.get(queue);
    if (told === null) return;
    if (types === null) this.#ready.set(queue, null);
    else if (told === undefined) this.#ready.set(queue, new Set(types));
    else for (const type of types) told.add(type);
    this.#owner.dirty(this);
  }

  /** Sends what has gathered. */
  flush(): void {
    for (const [queue, types] of this.#ready) this.#out.push([0, "ready", queue, types && [...types]]);
    this.#ready.clear();
    const out = this.#out;
    if (out.length === 0 || this.#isClosed) return;
    this.#out = [];
    this.#socket.cork();
    try {
      let from = 0;
      for (let at = 0; at <= out.length; at++) {
        const entry = out[at];
        if (entry !== undefined && !Buffer.isBuffer(entry)) continue;
        if (at > from) this.#socket.write(packFrame(out.slice(from, at)));
        if (entry !== undefined) this.#socket.write(entry);
        from = at + 1;
      }
    } catch (error) {
      this.#owner.broken(error);
      this.#socket.destroy();
    }
    this.#socket.uncork();
  }

  /** Ends the connection once all is sent. */
  end(): void {
    this.flush();
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Whether notices are left out: from the first one on until it has read everything, so that none comes that is later than a missed one. */
  #isDeaf(): boolean {
    this.#hasMissed ||= this.#isFull;
    return this.#hasMissed;
  }

  #add(entry: Answer | Notice | Buffer): void {
    if (this.#isClosed) return;
    this.#out.push(entry);
    this.#owner.dirty(this);
  }

  /** Does what was asked, a part in each turn; reads no more while there is a rest, or the answers are not read. */
  #work(): void {
    if (this.#isWorking) return;
    let work = 0;
    let done = 0;
    while (done < this.#requests.length && work < TURN_WORK && !this.#isFull) {
      const request = this.#requests[done++] as Request;
      work += costOf(request);
      try {
        this.#owner.serve(this, request);
      } catch (error) {
        this.#owner.broken(error);
        this.#socket.destroy();
        return;
      }
    }
    this.#requests.splice(0, done);
    if (this.#isFull) {
      // `drain` goes on.
      this.#socket.pause();
    } else if (this.#requests.length > 0) {
      this.#socket.pause();
      this.#isWorking = true;
      setImmediate(() => {
        this.#isWorking = false;
        this.#work();
      });
    } else this.#socket.resume();
  }
}

function costOf([, method, args]: Request): number {
  if (LARGE.has(method)) return TURN_WORK / 10;
  const items = Array.isArray(args) ? args[0] : undefined;
  return Array.isArray(items) ? 1 + items.length / 10 : 1;
}
