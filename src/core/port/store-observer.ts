/** Why a call to a store failed: it was away or took no writes, it had no room, or anything else. */
export type StoreFault = "unavailable" | "full" | "other";

/** Told what a store does, for metrics. Methods must not throw. */
export interface StoreObserver {
  /**
   * A call was answered: a script of Redis, or of the file a `commit` (written) or `sync` (on the disk). `callers` operations shared it.
   * The names of calls are few.
   */
  called(call: string, seconds: number, callers: number): void;
  failed(call: string, fault: StoreFault): void;
  /** The connection to the store broke; it is made anew. */
  disconnected(): void;
}

/** A store observer that does nothing. */
export const silentStoreObserver: StoreObserver = {
  called() {},
  failed() {},
  disconnected() {},
};

/** What a store takes. */
export interface StoreSizes {
  /** Whether it is that of all processes on the store, and not of this one. */
  readonly isShared: boolean;
  /** Bytes of its parts, by name: `jobs` in the memory of this process, the `file` and its `wal`, the memory of `redis`. */
  readonly bytes: Readonly<Record<string, number>>;
  /** What `bytes` may grow to in all; undefined: no such limit. */
  readonly limitBytes?: number | undefined;
  /** What is free on the disk of the file. */
  readonly diskFreeBytes?: number | undefined;
  /** Operations that wait for the store now. */
  readonly pending?: number | undefined;
}
