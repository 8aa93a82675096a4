import type { Taken } from "../../../model/queue/taken.js";
import type { Connection } from "../link/connection.js";
import type { Keys } from "../scripts/keys.js";
import { READ_TAKEN } from "../scripts/registry.js";
import { plainScript } from "../scripts/script.js";
import { text } from "./queue-calls.js";

const READ = plainScript("read", READ_TAKEN);

/** Longest text that tells what the workers of a server take, characters. */
const MAX_LENGTH = 16_384;

/** Stands for what is not known, or too much to tell. */
const UNKNOWN = "?";

/** Writes what the workers of a server take: with its node id, so that it is told anew every 15 s. */
export function writeTaken(taken: readonly Taken[] | undefined): string {
  if (taken === undefined) return UNKNOWN;
  const written = JSON.stringify(taken.map(({ queues, types }) => [queues, types]));
  return written.length <= MAX_LENGTH ? written : UNKNOWN;
}

/** Reads what the workers of all other live servers take; undefined: not known of all of them. `self`: the name of this server. */
export async function readTakenElsewhere(
  connection: Connection,
  { nodes, owners, nodeTaken }: Keys,
  self: string,
): Promise<readonly Taken[] | undefined> {
  const reply = await connection.script(READ, [nodes, owners, nodeTaken], [self]);
  const taken: Taken[] = [];
  for (const written of Array.isArray(reply) ? reply.map(text) : []) {
    if (written === UNKNOWN) return undefined;
    const lists = JSON.parse(written) as readonly (readonly [string[], string[]])[];
    for (const [queues, types] of lists) taken.push({ queues, types });
  }
  return taken;
}
