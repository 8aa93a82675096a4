import {
  closeSync,
  constants,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type Libsql from "libsql";
import type { Place } from "./batch.js";
import { APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION } from "./schema.js";
import { StoreUnusable } from "./store-unusable.js";

export type Database = Libsql.Database;

/** Pages of the WAL after which SQLite copies it to the file: 16 MiB. */
const CHECKPOINT_PAGES = 4096;

/** What remains of the WAL when it was copied, bytes. */
const WAL_LIMIT = 64 * 2 ** 20;

/** How long to wait for somebody else's lock on the file, a backup for instance, ms. */
const BUSY_MS = 5000;

/** The file that keeps the jobs. */
export const fileOf = (folder: string): string => join(folder, "gotaskq.db");

/** Opens the SQLite library. Throws StoreUnusable where there is none for this system. */
export async function loadLibrary(): Promise<typeof Libsql> {
  try {
    return (await import("libsql")).default;
  } catch (error) {
    throw new StoreUnusable(
      `keeping jobs in a file needs the npm package libsql, which is not installed here or has no build for this system: ${reason(error)}`,
    );
  }
}

/**
 * Takes a folder for this process, until the returned database is closed. It is the system that ends the lock with the process,
 * however that ends. Throws StoreUnusable when another process has it.
 */
export function lockFolder(library: typeof Libsql, folder: string): Database {
  const pid = join(folder, "gotaskq.pid");
  let lock: Database | undefined;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    lock = new library(join(folder, "gotaskq.lock"));
    lock.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    writeFileSync(pid, `${process.pid}\n`);
    return lock;
  } catch (error) {
    lock?.close();
    if (/EEXIST|ENOTDIR/.test(reason(error))) {
      throw new StoreUnusable(
        `${folder}: is not a folder, nor can one be made there: ${reason(error)}. Name another folder.`,
      );
    }
    if (!/locked|busy/i.test(reason(error))) {
      throw new StoreUnusable(
        `${folder}: cannot be written to: ${reason(error)}. Give this user the right to, or name another folder.`,
      );
    }
    throw new StoreUnusable(
      `${folder}: is in use by another process (${holder(pid)}). A folder serves one process: stop that one, or name another folder.`,
    );
  }
}

function holder(pid: string): string {
  try {
    return `pid ${readFileSync(pid, "utf8").trim()}`;
  } catch {
    return "pid unknown";
  }
}

/**
 * Opens the file and brings it to the newest schema. Throws StoreUnusable for what is not a store, is of a newer version, or is
 * damaged.
 */
export function openDatabase(library: typeof Libsql, folder: string): Database {
  const file = fileOf(folder);
  let database: Database | undefined;
  try {
    database = new library(file);
    database.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    migrate(database, file);
    database.exec(`
      PRAGMA synchronous = NORMAL;
      PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
      PRAGMA journal_size_limit = ${WAL_LIMIT};
      PRAGMA cache_size = -32768;
      PRAGMA temp_store = MEMORY;
    `);
    return database;
  } catch (error) {
    database?.close();
    throw error instanceof StoreUnusable ? error : new StoreUnusable(whyNot(file, reason(error)));
  }
}

function migrate(database: Database, file: string): void {
  const number = (pragma: string) => Number(Object.values(database.prepare(`PRAGMA ${pragma}`).get() as object)[0]);
  const version = number("user_version");
  const application = number("application_id");
  const isEmpty =
    (database.prepare("SELECT count(*) AS count FROM sqlite_schema").get() as { count: number }).count === 0;
  if (!isEmpty && application !== APPLICATION_ID) {
    throw new StoreUnusable(`${file}: is an SQLite file, but not one of GoTaskQ. Name another folder.`);
  }
  if (version > SCHEMA_VERSION) {
    throw new StoreUnusable(
      `${file}: has schema ${version}, and this version of GoTaskQ knows schemas up to ${SCHEMA_VERSION}. Start the newer version that wrote it.`,
    );
  }
  database.exec("PRAGMA journal_mode = WAL");
  if (version === SCHEMA_VERSION) return;
  database.exec(`
    BEGIN IMMEDIATE;
    ${MIGRATIONS.slice(version).join(";\n")};
    PRAGMA application_id = ${APPLICATION_ID};
    PRAGMA user_version = ${SCHEMA_VERSION};
    COMMIT;
  `);
}

/** Throws StoreUnusable when the file is damaged. */
export function checkDatabase(database: Database, folder: string): void {
  const rows = readable(folder, () => database.prepare("PRAGMA quick_check(1)").raw().all()) as unknown as [string][];
  const found = String(rows[0]?.[0] ?? "ok");
  if (found !== "ok") throw new StoreUnusable(whyNot(fileOf(folder), found));
}

/** Reads from the file; throws StoreUnusable where that is damaged. */
export function readable<T>(folder: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new StoreUnusable(whyNot(fileOf(folder), reason(error)));
  }
}

function whyNot(file: string, what: string): string {
  if (/readonly|read-only|permission|unable to open/i.test(what)) {
    return `${file}: cannot be written to: ${what}. Give this user the right to, or name another folder.`;
  }
  if (/disk.*full/i.test(what)) return `${file}: the disk is full: ${what}. Make room, and start again.`;
  if (/locked|busy/i.test(what)) return `${file}: another program has it locked: ${what}. End that one.`;
  return (
    `${file}: is damaged: ${what}. Nothing was changed. Put back a backup of the folder, or move the file and its -wal and -shm away to ` +
    'begin without jobs; `sqlite3 gotaskq.db ".recover"` may save what is readable (not with the sqlite3 of Debian).'
  );
}

/** What an error says. */
export function reason(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return code === undefined ? (message ?? String(error)) : `${message} (${code})`;
}

/** Sees to it that the names of the files survive a power cut, and returns the WAL, for syncing. */
export function openWal({ folder, durability }: Place): number | undefined {
  if (durability !== "power") return undefined;
  const wal = openSync(`${fileOf(folder)}-wal`, constants.O_RDWR | constants.O_CREAT);
  fdatasyncSync(wal);
  const names = openSync(folder, constants.O_RDONLY);
  fsyncSync(names);
  closeSync(names);
  return wal;
}
