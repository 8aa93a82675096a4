import type { TaskQueueClient } from "../../client/index.js";
import type { Expected, Word } from "./expected.js";

/** Names of queues and schedules: of anything else a shell might make more than a word. */
const NAME = /^[a-z0-9][a-z0-9._-]*$/;

/** What a server knows that can stand there. */
export async function knownWords(
  client: TaskQueueClient,
  { source, given, isArgument }: Expected,
): Promise<readonly Word[]> {
  const words: Word[] = [];
  if (source === "queues") {
    for (const { name, paused, stats } of await client.queues.list()) {
      words.push({ word: name, about: `${paused ? "paused, " : ""}${stats.ready} ready, ${stats.dead} dead` });
    }
  }
  if (source === "schedules") {
    // A schedule that a command is about is named in its queue; one that a filter names may be of any.
    const queue = given.queue ?? (isArgument ? "default" : undefined);
    for (const { name, queue: where, state } of (await client.schedules.list({ queue, pageSize: 1000 }).page()).items) {
      words.push({ word: name, about: `${state} in ${where}` });
    }
  }
  return words.filter(({ word }) => NAME.test(word));
}
