import { confirm } from "../ui/dialog.js";
import { api } from "./api.js";
import type { DeadFilter } from "./dead-groups.js";
import { countOf } from "./format.js";
import { complain, tell } from "./notices.js";

/** An action on dead jobs. */
export type DeadAction = "replay" | "delete";

/** Characters of an error that a question quotes. */
const MAX_QUOTED = 200;

/** Ids that the server takes in one filter. */
const MAX_IDS = 100;

const WORDS = {
  replay: {
    verb: "Replay",
    done: "Replayed",
    after: "Each goes back to the queue it came from, with all its retries.",
  },
  delete: { verb: "Delete", done: "Deleted", after: "Each is gone after this, with its payload." },
} as const;

interface Request {
  readonly dryRun?: boolean;
  readonly max?: number;
  readonly pageToken?: string;
}

/** Calls the server with a filter, or with ids. */
function call(action: DeadAction, chosen: DeadFilter | { readonly ids: string[] }, request: Request) {
  const all = Object.values(chosen).every((value) => value === "" || value === undefined);
  return action === "replay"
    ? api.dlq.replayDeadJobs({ filter: chosen, all, ...request })
    : api.dlq.purgeDeadJobs({ filter: chosen, all, ...request });
}

/** Calls again and again, as each call does a bounded part; up to `max` jobs. Returns how many there were. */
async function callForAll(action: DeadAction, filter: DeadFilter, max: number, dryRun: boolean): Promise<number> {
  let count = 0;
  let pageToken = "";
  do {
    const left = max === Number.POSITIVE_INFINITY ? 0 : max - count;
    const answer = await call(action, filter, { dryRun, max: left, pageToken });
    count += answer.count;
    pageToken = answer.nextPageToken;
  } while (pageToken !== "" && count < max);
  return count;
}

function shortened(text: string): string {
  return text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text;
}

/** What a filter means, as the rest of a sentence. */
function describe({ queue, type, errorContains, errorGroup }: DeadFilter): string {
  const parts = [
    queue && `in queue ${queue}`,
    type && `of type ${type}`,
    errorContains && `with “${shortened(errorContains)}” in their error`,
    errorGroup && `with the error “${shortened(errorGroup)}”`,
    errorGroup === "" && "without an error text",
  ].filter(Boolean);
  return parts.length === 0 ? "in all queues" : parts.join(", ");
}

/** Counts what matches, asks, and does it to no more than were counted. Answers whether anything was done. */
export async function actOnMatching(action: DeadAction, filter: DeadFilter): Promise<boolean> {
  const { verb, done, after } = WORDS[action];
  try {
    const count = await callForAll(action, filter, Number.POSITIVE_INFINITY, true);
    if (count === 0) {
      tell(`No dead job matches any more ${describe(filter)}.`);
      return true;
    }
    const jobs = countOf(count, "dead job");
    const agreed = await confirm({
      title: `${verb} ${jobs}?`,
      text: `${jobs} ${describe(filter)} ${count === 1 ? "matches" : "match"} now. ${after}`,
      agree: `${verb} ${countOf(count, "job")}`,
      isDanger: action === "delete",
    });
    if (!agreed) return false;
    tell(`${done} ${countOf(await callForAll(action, filter, count, false), "job")}.`);
  } catch (error) {
    complain(error);
  }
  return true;
}

/** Asks the user, and acts on these jobs. Returns false only when the user declined. */
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
  let count = 0;
  try {
    for (let from = 0; from < ids.length; from += MAX_IDS) {
      count += (await call(action, { ids: ids.slice(from, from + MAX_IDS) }, {})).count;
    }
    const gone = ids.length - count;
    tell(
      `${done} ${countOf(count, "job")}.${gone > 0 ? ` ${countOf(gone, "job")} of them were not dead any more.` : ""}`,
    );
  } catch (error) {
    if (count > 0) tell(`${done} ${countOf(count, "job")}.`);
    complain(error);
  }
  return true;
}
