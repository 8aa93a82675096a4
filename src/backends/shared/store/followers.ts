import type { Followed } from "../../../core/port/changes.js";
import type { Peer } from "./peer.js";

/** Queues that a server follows, or all. */
class Scope {
  isAll = false;
  readonly #queues = new Set<string>();

  /** What servers that follow the same have in common; undefined: too much to compare. */
  get key(): string | undefined {
    if (this.isAll) return "*";
    return this.#queues.size <= SHARED_QUEUES ? [...this.#queues].sort().join() : undefined;
  }

  get isEmpty(): boolean {
    return !this.isAll && this.#queues.size === 0;
  }

  has(queue: string): boolean {
    return this.isAll || this.#queues.has(queue);
  }

  set(queue: string | undefined, isFollowed: boolean): void {
    if (queue === undefined) this.isAll = isFollowed;
    else if (isFollowed) this.#queues.add(queue);
    else this.#queues.delete(queue);
  }
}

/** Most queues of two servers that are compared to write once what is told to both. */
const SHARED_QUEUES = 10;

/** Which servers follow which queues. */
export class QueueFollowers {
  readonly #scopes = new Map<Peer, Scope>();

  /** Whether some server follows a queue. */
  isFollowed(queue: string): boolean {
    for (const scope of this.#scopes.values()) if (scope.has(queue)) return true;
    return false;
  }

  /** Whether this server follows a queue; undefined: any queue. */
  has(peer: Peer, queue?: string): boolean {
    const scope = this.#scopes.get(peer);
    return scope !== undefined && (queue === undefined || scope.has(queue));
  }

  set(peer: Peer, queue: string | undefined, isFollowed: boolean): void {
    const scope = this.#scopes.get(peer) ?? new Scope();
    scope.set(queue, isFollowed);
    if (scope.isEmpty) this.#scopes.delete(peer);
    else this.#scopes.set(peer, scope);
  }

  gone(peer: Peer): void {
    this.#scopes.delete(peer);
  }

  /** Those that follow some queues, and which. */
  get scopes(): Iterable<readonly [peer: Peer, scope: Pick<Scope, "has" | "isAll" | "key">]> {
    return this.#scopes;
  }
}

const NOBODY: ReadonlySet<Peer> = new Set();

/** What servers follow: they are told of that, and of nothing else that does not concern their workers. */
export class Followers {
  /** Of the change log. */
  readonly changes = new QueueFollowers();
  /** Of when jobs of a queue change. */
  readonly counts = new QueueFollowers();
  readonly #jobs = new Map<string, Set<Peer>>();

  /** The servers that follow a job. */
  ofJob(id: string): ReadonlySet<Peer> {
    return (this.#jobs.size === 0 ? undefined : this.#jobs.get(id)) ?? NOBODY;
  }

  set(peer: Peer, followed: Followed, isFollowed: boolean): void {
    if (followed.of !== "job") this[followed.of].set(peer, followed.queue, isFollowed);
    else if (isFollowed) this.#jobs.set(followed.id, (this.#jobs.get(followed.id) ?? new Set()).add(peer));
    else this.#leave(followed.id, peer);
  }

  /** A server is gone. */
  gone(peer: Peer): void {
    this.changes.gone(peer);
    this.counts.gone(peer);
    for (const id of this.#jobs.keys()) this.#leave(id, peer);
  }

  #leave(id: string, peer: Peer): void {
    const peers = this.#jobs.get(id);
    peers?.delete(peer);
    if (peers?.size === 0) this.#jobs.delete(id);
  }
}
