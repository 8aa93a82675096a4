import { createRequire } from "node:module";

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
    if ((error as { readonly code?: unknown }).code !== "MODULE_NOT_FOUND") throw error;
    throw new Error("jobs in Redis need the package ioredis, which is not installed", { cause: error });
  }
}
