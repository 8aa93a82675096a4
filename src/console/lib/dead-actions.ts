import { confirm } from "../ui/dialog.js";
import { api } from "./api.js";
import { type DeadFilter, forEachJob } from "./dead-letters.js";
import { countOf } from "./format.js";
import { complain, tell } from "./notices.js";

/** An action on dead jobs. */
export type DeadAction = "replay" | "delete";

/** Characters of an error that a question quotes. */
const MAX_QUOTED = 200;

const WORDS = {
  replay: {
    verb: "Replay",
    done: "Replayed",
    after: "Each goes back to the queue it came from, with all its retries.",
  },
  delete: { verb: "Delete", done: "Deleted", after: "Each is gone after this, with its payload." },
} as const;

function shortened(text: string): string {
  return text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text;
}

/** What a filter means, as the rest of a sentence. */
function describe({ queue, type, errorContains }: DeadFilter): string {
  const parts = [
    queue && `in queue ${queue}`,
    type && `of type ${type}`,
    errorContains && `with “${shortened(errorContains)}” in their error`,
  ].filter(Boolean);
  return parts.length === 0 ? "in all queues" : parts.join(", ");
}

/**
 * Counts what matches, asks, and does it to no more than were counted. Answers whether anything was done. A group tells
 * how many jobs it shows: more may match, those that were not read and those whose error contains that of the group.
 */
export async function actOnMatching(action: DeadAction, filter: DeadFilter, shown?: number): Promise<boolean> {
  const all = !Object.values(filter).some(Boolean);
  const call = (request: { readonly dryRun?: boolean; readonly max?: number }) =>
    action === "replay"
      ? api.dlq.replayDeadJobs({ filter, all, ...request })
      : api.dlq.purgeDeadJobs({ filter, all, ...request });
  const { verb, done, after } = WORDS[action];
  try {
    const { count } = await call({ dryRun: true });
    if (count === 0) {
      tell(`No dead job matches any more ${describe(filter)}.`);
      return true;
    }
    const jobs = countOf(count, "dead job");
    const more =
      shown === undefined || count <= shown
        ? ""
        : `That is ${countOf(count - shown, "job")} more than this group shows: every error that contains the text counts. `;
    const agreed = await confirm({
      title: `${verb} ${jobs}?`,
      text: `${jobs} ${describe(filter)} ${count === 1 ? "matches" : "match"} now. ${more}${after}`,
      agree: `${verb} ${countOf(count, "job")}`,
      isDanger: action === "delete",
    });
    if (!agreed) return false;
    const result = await call({ max: count });
    tell(`${done} ${countOf(result.count, "job")}.`);
  } catch (error) {
    complain(error);
  }
  return true;
}

/** Asks the user, and acts on these jobs one by one. Returns false only when the user declined. */
export async function actOnJobs(action: DeadAction, ids: readonly string[]): Promise<boolean> {
  const { verb, done, after } = WORDS[action];
  const jobs = countOf(ids.length, "job");
  const agreed = await confirm({
    title: `${verb} ${jobs}?`,
    text: after,
    agree: `${verb} ${jobs}`,
    isDanger: action === "delete",
  });
  if (!agreed) return false;
  const { count, error } = await forEachJob(ids, (id) =>
    action === "replay" ? api.dlq.replayDeadJob({ id }) : api.dlq.deleteDeadJob({ id }),
  );
  if (count > 0) tell(`${done} ${countOf(count, "job")}.`);
  if (error !== undefined) complain(error);
  return true;
}
