import type { Backend, BackendListener } from "../../../core/backend.js";
import type { Change, ChangeBatch } from "../../../core/port/changes.js";
import { placeOfQueue } from "../../../core/stores/place-of-queue.js";
import { type WrittenChange, writeChange } from "../codec/changes.js";
import { LOG, readFollowed, type WrittenFollowed } from "../codec/followed.js";
import { packFrame } from "../codec/frames.js";
import type { Notice } from "../codec/messages.js";
import type { ChangedQueues } from "./changed-queues.js";
import type { Followers } from "./followers.js";
import type { LeaseHolders } from "./lease-holders.js";
import type { Peer } from "./peer.js";
import type { ReadyTurns } from "./ready-turns.js";
import type { TickTurns } from "./tick-turns.js";

/** Dependencies of a `StoreListener`. */
export interface StoreListenerDeps {
  readonly backend: Backend;
  readonly peers: ReadonlySet<Peer>;
  readonly ready: ReadyTurns;
  readonly ticks: TickTurns;
  readonly holders: LeaseHolders;
  readonly followers: Followers;
  readonly counts: ChangedQueues;
  /** Called when there are changes to tell: see `tellChanges`. */
  readonly changed: () => void;
}

/** A change that is still to be told to those who follow its queue, and the cursor behind it. */
interface Untold {
  readonly queue: string;
  readonly written: WrittenChange;
  readonly cursor: string;
}

/**
 * Hears what the store tells, and tells each server what it follows and what concerns its workers. Changes of the log are written once
 * for all servers that follow the same queues.
 */
export class StoreListener implements BackendListener {
  readonly #deps: StoreListenerDeps;
  /** Number of the last batch. */
  #number = 0;
  /** Jobs that the last batch made ready, or about; 0: nobody knows. */
  #readied = 0;
  /** Changes that those who follow are still to be told, and the cursor before them. */
  #untold: Untold[] = [];
  #before = "";
  isAvailable = true;

  constructor(deps: StoreListenerDeps) {
    this.#deps = deps;
  }

  ready(queue: string, types?: readonly string[]): void {
    this.#deps.ready.ready(queue, types, this.#readied);
    this.#readied = 0;
  }

  due(inMs: number): void {
    this.#deps.ticks.due(inMs);
  }

  changes(batch: ChangeBatch): void {
    const { followers, counts, changed } = this.#deps;
    this.#number = batch.number;
    this.#readied = 0;
    batch.changes.forEach((change, at) => {
      const { queue } = change;
      if (change.status === "PENDING") this.#readied++;
      this.#tellConcerned(change);
      counts.add(queue);
      if (!followers.changes.isFollowed(queue)) return;
      if (this.#untold.length === 0) this.#before = batch.cursor(at, undefined) ?? "";
      this.#untold.push({ queue, written: writeChange(change), cursor: batch.cursor(at + 1, undefined) ?? "" });
    });
    if (this.#untold.length > 0) changed();
  }

  interrupted(): void {
    for (const [peer] of this.#deps.followers.changes.scopes) this.catchUp(peer);
  }

  queues(name?: string): void {
    // The list is the one that is known now: nobody is asked for it.
    void this.#deps.backend.queueNames().then((all) => {
      if (name === undefined) {
        for (const peer of this.#deps.peers) peer.destroy();
        return;
      }
      const queue = all[placeOfQueue(all, name)];
      const weight = queue?.name === name ? queue.weight : null;
      if (weight === null) this.#deps.ready.forget(name);
      for (const peer of this.#deps.peers) peer.tell([0, "queue", name, weight]);
    });
  }

  emptied(): void {
    for (const peer of this.#deps.peers) peer.destroy();
  }

  available(isAvailable: boolean): void {
    this.isAvailable = isAvailable;
    for (const peer of this.#deps.peers) peer.tell([0, "available", isAvailable]);
  }

  resync(): void {
    for (const peer of this.#deps.peers) this.catchUp(peer);
  }

  /** Tells those who follow what has changed so far. */
  tellChanges(): void {
    if (this.#untold.length === 0) return;
    const untold = this.#untold;
    this.#untold = [];
    const frames = new Map<string, Buffer>();
    for (const [peer, scope] of this.#deps.followers.changes.scopes) {
      const followed = scope.isAll ? untold : untold.filter(({ queue }) => scope.has(queue));
      if (followed.length === 0) continue;
      const { key } = scope;
      const frame = (key && frames.get(key)) || this.#frameOf(followed);
      if (key !== undefined) frames.set(key, frame);
      peer.tell(frame);
      peer.toldNumber = this.#number;
    }
  }

  /** Tells a server that follows the log how far it was told, if it does not know. Call `tellChanges` before. */
  tellPosition(peer: Peer): void {
    const { followers, backend } = this.#deps;
    if (peer.toldNumber === this.#number || !followers.changes.has(peer)) return;
    peer.toldNumber = this.#number;
    peer.tell([0, "told", this.#number, backend.told(undefined) ?? null]);
  }

  /** Tells a server of all that has changed so far, as far as it follows that. */
  tellAll(peer: Peer): void {
    this.tellChanges();
    this.tellPosition(peer);
  }

  /** A server follows these from now on, or no longer. */
  follow(peer: Peer, followed: readonly WrittenFollowed[]): void {
    const isOnLog = followed.some(([kind]) => kind === LOG);
    // What is still to be told is before that.
    if (isOnLog) this.tellChanges();
    for (const each of followed) this.#deps.followers.set(peer, readFollowed(each), each[2]);
    if (isOnLog) this.#tellAgain(peer);
  }

  /** A server may have missed something. */
  catchUp(peer: Peer): void {
    // What is still to be told is before that.
    this.tellChanges();
    peer.tell([0, "missed", this.isAvailable]);
    this.#tellAgain(peer);
    void this.#deps.backend.queueNames().then((queues) => peer.tell([0, "queues", queues]));
  }

  #tellAgain(peer: Peer): void {
    peer.toldNumber = -1;
    this.tellPosition(peer);
  }

  #frameOf(untold: readonly Untold[]): Buffer {
    const changes = untold.map(({ written }) => written);
    const cursors = [this.#before, ...untold.map(({ cursor }) => cursor)];
    const notice: Notice = [0, "changes", this.#number, changes, cursors];
    return packFrame([notice]);
  }

  /** Tells a change to those who follow its job, or whose workers it concerns; who follows its queue is told anyway. */
  #tellConcerned(change: Change): void {
    const { holders, followers } = this.#deps;
    const watching = followers.ofJob(change.jobId);
    let notice: Notice | undefined;
    const tell = (peer: Peer) => {
      if (followers.changes.has(peer, change.queue)) return;
      notice ??= [0, "concerns", writeChange(change)];
      peer.tell(notice);
    };
    holders.changed(change, (peer) => {
      if (!watching.has(peer)) tell(peer);
    });
    for (const peer of watching) tell(peer);
  }
}
