import type { Backend, BackendListener } from "../../../core/backend.js";
import type { Change, ChangeBatch } from "../../../core/port/changes.js";
import { placeOfQueue } from "../../../core/stores/place-of-queue.js";
import { type WrittenChange, writeChange } from "../codec/changes.js";
import { packFrame } from "../codec/frames.js";
import type { Notice } from "../codec/messages.js";
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
  /** Called when there are changes to tell: see `tellChanges`. */
  readonly changed: () => void;
}

/**
 * Hears what the store tells, and tells each server what concerns it. All changes go to those that follow, written once for all of
 * them; the others are told of those that concern their workers.
 */
export class StoreListener implements BackendListener {
  readonly #deps: StoreListenerDeps;
  /** Number of the last batch. */
  #number = 0;
  /** Jobs that the last batch made ready, or about; 0: nobody knows. */
  #readied = 0;
  /** Changes that those who follow are still to be told, and the cursors before, between and behind them. */
  #changes: WrittenChange[] = [];
  #cursors: string[] = [];
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
    const { peers, holders } = this.#deps;
    let isFollowed = false;
    for (const peer of peers) isFollowed ||= peer.isFollowing;
    this.#number = batch.number;
    this.#readied = 0;
    if (isFollowed && this.#changes.length === 0) this.#cursors = [batch.cursor(0, undefined) ?? ""];
    batch.changes.forEach((change, at) => {
      if (change.status === "PENDING") this.#readied++;
      holders.changed(change, (peer) => this.#concern(peer, change));
      if (!isFollowed) return;
      this.#changes.push(writeChange(change));
      this.#cursors.push(batch.cursor(at + 1, undefined) ?? "");
    });
    if (isFollowed) this.#deps.changed();
  }

  interrupted(): void {
    for (const peer of this.#deps.peers) if (peer.isFollowing) this.catchUp(peer);
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
    if (this.#changes.length === 0) return;
    const notice: Notice = [0, "changes", this.#number, this.#changes, this.#cursors];
    this.#changes = [];
    this.#cursors = [];
    let frame: Buffer | undefined;
    for (const peer of this.#deps.peers) {
      if (!peer.isFollowing) continue;
      frame ??= packFrame([notice]);
      peer.tell(frame);
    }
  }

  /** A server wants to be told all changes from now on, or no longer. */
  follow(peer: Peer, isFollowing: boolean): void {
    // What is still to be told is before that.
    this.tellChanges();
    peer.isFollowing = isFollowing;
    if (isFollowing) peer.tell([0, "following", this.#number, this.#deps.backend.told(undefined) ?? null]);
  }

  /** A server may have missed something. */
  catchUp(peer: Peer): void {
    peer.tell([0, "missed"]);
    if (peer.isFollowing) this.follow(peer, true);
  }

  /** A change concerns a worker of a server; who follows is told anyway. */
  #concern(peer: Peer, change: Change): void {
    if (!peer.isFollowing) peer.tell([0, "concerns", writeChange(change)]);
  }
}
