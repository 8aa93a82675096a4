import { readFile } from "node:fs/promises";
import { buffer, text } from "node:stream/consumers";
import { errorText } from "../model/common/describe-error.js";
import { RawJson } from "../model/job/raw-json.js";
import { UsageError } from "./command-error.js";
import type { Io } from "./io.js";

/**
 * Reads a payload as an argument gives it: JSON text, `@file`, or `-` for stdin. `isBytes`: what is there is taken as it is, and is no
 * JSON. Throws a `UsageError` for what cannot be read, or is no JSON.
 */
export async function readPayload(
  argument: string | undefined,
  isBytes: boolean,
  io: Io,
): Promise<RawJson | Uint8Array | undefined> {
  if (argument === undefined) return undefined;
  if (isBytes) return new Uint8Array(await readBytes(argument, io));
  if (argument === "-") return parsePayload(await text(io.stdin), "stdin");
  if (argument.startsWith("@"))
    return parsePayload((await readBytes(argument, io)).toString("utf8"), argument.slice(1));
  return parsePayload(argument, "the payload");
}

/** Takes JSON text as a payload, to the letter. Throws a `UsageError` that names where it came from when it is no JSON. */
export function parsePayload(json: string, where: string): RawJson {
  parseJson(json, where);
  return new RawJson(json.trim());
}

/** Parses JSON text. Throws a `UsageError` that names where it came from. */
export function parseJson(json: string, where: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new UsageError(`${where} is not JSON: ${errorText(error)}; a text needs quotes, as in '"hello"'`);
  }
}

async function readBytes(argument: string, io: Io): Promise<Buffer> {
  if (argument === "-") return buffer(io.stdin);
  if (!argument.startsWith("@")) return Buffer.from(argument, "utf8");
  try {
    return await readFile(argument.slice(1));
  } catch (error) {
    throw new UsageError(errorText(error));
  }
}
