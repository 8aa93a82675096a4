import { closeSync, fdatasync } from "node:fs";
import type Libsql from "libsql";
import type { Batch, Chunk, Place, Reply, Request } from "./batch.js";
import {
  checkDatabase,
  type Database,
  loadLibrary,
  lockFolder,
  openDatabase,
  openWal,
  readable,
  reason,
} from "./database.js";
import { batchWriter } from "./statements.js";
import { readStore, type StoreReader } from "./store-reader.js";
import { StoreUnusable } from "./store-unusable.js";

/** Copies the WAL into the file, syncs that, and empties the WAL. */
const CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)";

/**
 * The side of the writer that has the file: it does what it is asked, in order, and answers with `reply`. Runs in a thread of
 * its own, as SQLite's calls wait for the disk.
 *
 * A commit is `written` without a sync; the sync of the WAL goes on beside the next commits, and covers all that were written
 * before it began. After an error of either nothing is written any more until `reopen`, and then the batches that were not
 * `synced` are written again. A sync is never repeated, because what failed may look clean to the system: instead all of
 * the WAL is copied into the file, which is synced, and a new WAL begins.
 */
export class WriterService {
  readonly #reply: (reply: Reply) => void;
  #library: typeof Libsql | undefined;
  #lock: Database | undefined;
  #database: Database | undefined;
  #write: ((batch: Batch) => void) | undefined;
  #reader: StoreReader | undefined;
  #wal: number | undefined;
  #written = 0;
  #synced = 0;
  /** The sync that is under way. */
  #syncing: Promise<void> | undefined;
  #isFailed = false;
  #hasSyncFailed = false;
  #isClosing = false;

  constructor(reply: (reply: Reply) => void) {
    this.#reply = reply;
  }

  /** Does what is asked. Requests must come one after the other, as this resolves. */
  async request(request: Request): Promise<void> {
    try {
      switch (request.kind) {
        case "open":
          await this.#open(request.place);
          break;
        case "reopen":
          await this.#reopen(request.place);
          break;
        case "more":
          this.#more();
          break;
        case "write":
          this.#writeBatch(request.batch);
          break;
        case "close":
          this.#isClosing = true;
          if (this.#syncing === undefined) this.#close();
      }
    } catch (error) {
      if (error instanceof StoreUnusable) {
        this.#letGo();
        this.#lock?.close();
        this.#lock = undefined;
        this.#reply({ kind: "unusable", message: error.message });
      } else this.#fail(error);
    }
  }

  async #open(place: Place): Promise<void> {
    const { folder } = place;
    this.#library = await loadLibrary();
    this.#lock = lockFolder(this.#library, folder);
    this.#database = openDatabase(this.#library, folder);
    checkDatabase(this.#database, folder);
    this.#reader = readable(folder, () => readStore(this.#database as Database, place));
    this.#begin(place);
    this.#reply(this.#reader.opened);
  }

  #begin(place: Place): void {
    const database = this.#database as Database;
    // After a sync that failed the WAL must begin anew. Else that may wait: where there is no room for it, for instance.
    try {
      database.exec(CHECKPOINT);
    } catch (error) {
      if (this.#hasSyncFailed) throw error;
    }
    this.#write = batchWriter(database);
    this.#wal = openWal(place);
  }

  async #reopen(place: Place): Promise<void> {
    // It has the WAL, and may fail only now.
    await this.#syncing;
    this.#letGo();
    this.#library ??= await loadLibrary();
    this.#lock ??= lockFolder(this.#library, place.folder);
    try {
      this.#database = openDatabase(this.#library, place.folder);
      this.#begin(place);
    } catch (error) {
      // The store was good when it was opened: this is a fault that may pass.
      this.#fail(error);
      return;
    }
    this.#isFailed = this.#hasSyncFailed = false;
    this.#written = this.#synced = 0;
    this.#reply({ kind: "reopened" });
  }

  #more(): void {
    const chunk: Chunk = this.#reader?.next() ?? { kind: "chunk", table: "end", values: [] };
    if (chunk.table === "end") this.#reader = undefined;
    this.#reply(chunk);
  }

  #writeBatch(batch: Batch): void {
    if (this.#isFailed) return;
    this.#write?.(batch);
    this.#written = batch.number;
    this.#reply({ kind: "written", number: batch.number });
    this.#sync();
  }

  #sync(): void {
    if (this.#syncing !== undefined || this.#isFailed || this.#synced === this.#written) return;
    const number = this.#written;
    const done = () => {
      this.#synced = number;
      this.#reply({ kind: "synced", number });
    };
    if (this.#wal === undefined) {
      done();
      return;
    }
    const { promise, resolve } = deferred();
    this.#syncing = promise;
    fdatasync(this.#wal, (error) => {
      this.#syncing = undefined;
      if (error !== null) {
        this.#hasSyncFailed = true;
        this.#fail(error);
      } else if (!this.#isFailed) done();
      if (this.#isClosing) this.#close();
      else this.#sync();
      resolve();
    });
  }

  #fail(error: unknown): void {
    this.#isFailed = true;
    this.#reply({ kind: "failed", message: reason(error) });
  }

  #letGo(): void {
    if (this.#wal !== undefined) closeSync(this.#wal);
    this.#wal = undefined;
    this.#write = undefined;
    try {
      this.#database?.close();
    } catch {
      // It has failed before; what it did not write is written again.
    }
    this.#database = undefined;
  }

  #close(): void {
    try {
      this.#database?.exec(CHECKPOINT);
    } catch {
      // It stays in the WAL, which belongs to the file.
    }
    this.#letGo();
    this.#lock?.close();
    this.#lock = undefined;
    this.#reply({ kind: "closed" });
  }
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
