import { stat, statfs } from "node:fs/promises";
import { fileOf } from "./database.js";

/** What a store in a file takes on its disk, and what is free there, bytes. What cannot be read is left out. */
export interface FileSizes {
  readonly file?: number;
  readonly wal?: number;
  readonly diskFreeBytes?: number;
}

/** Reads the sizes of the files in a folder. */
export async function readFileSizes(folder: string): Promise<FileSizes> {
  const file = fileOf(folder);
  const read = async (name: keyof FileSizes, bytes: Promise<number>) => ({ [name]: await bytes });
  const sizes = await Promise.allSettled([
    read(
      "file",
      stat(file).then(({ size }) => size),
    ),
    read(
      "wal",
      stat(`${file}-wal`).then(({ size }) => size),
    ),
    read(
      "diskFreeBytes",
      statfs(folder).then(({ bavail, bsize }) => bavail * bsize),
    ),
  ]);
  return Object.assign({}, ...sizes.map((each) => (each.status === "fulfilled" ? each.value : {})));
}
