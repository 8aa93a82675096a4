import { createRequire } from "node:module";
import { missingPackage } from "../../../model/process/needed-package.js";

type Library = typeof import("ioredis");

let loaded: Library | undefined;

/** ioredis, loaded once it is needed: programs that keep their jobs elsewhere may do without it. Throws when it is not installed. */
export function redisLibrary(): Library {
  loaded ??= load();
  return loaded;
}

function load(): Library {
  try {
    return createRequire(import.meta.url)("ioredis");
  } catch (error) {
    throw missingPackage("jobs in Redis need", error) ?? error;
  }
}
