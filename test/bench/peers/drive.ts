import { createInterface } from "node:readline";

// Lets the row `peers` tell a program what to do: a line comes in, and "done" goes out once that is done. The drivers in
// Go have the same in `go/drive`. Imports nothing of the repository: drivers of peers run in the folder of their packages.

/** How many jobs a batch has. */
export const BATCH_SIZE = 100;

/** Returns the payload of a job, 100 bytes as JSON: a new object for each job, as in a real program. */
export function newPayload(): { text: string } {
  return { text: "x".repeat(89) };
}

/** A queue whose client and worker are driven. */
export interface Driven {
  /** Creates one job. */
  create(): Promise<unknown>;
  /** Creates a batch of jobs in one call. */
  batch(): Promise<unknown>;
  /** No worker gets jobs until `resume`. */
  pause(): Promise<unknown>;
  resume(): Promise<unknown>;
}

/** Whether this program is to be a client or a worker. */
export const role = process.argv[2] === "worker" ? "worker" : "client";

/** How many jobs a worker runs at a time. */
export const concurrency = Number(process.env.CONCURRENCY);

/**
 * Does what the lines say:
 *
 * - `create CALLERS JOBS` creates jobs one by one, from so many callers, each of which waits for its answer;
 * - `batch CALLERS JOBS` does so in batches;
 * - `pause` and `resume` say whether workers get jobs.
 */
export async function driveClient(driven: Driven): Promise<void> {
  say("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    const [word, callers, jobs] = line.split(" ");
    if (word === "create") await load(Number(callers), Number(jobs), driven.create);
    if (word === "batch") await load(Number(callers), Number(jobs) / BATCH_SIZE, driven.batch);
    if (word === "pause") await driven.pause();
    if (word === "resume") await driven.resume();
    say("done");
  }
}

/** Counts the jobs that a worker runs: call `ran` in the handler, and `drive` once it takes jobs. */
export function createRunCounter(): { ran(payload: { text: string }): void; drive(): Promise<void> } {
  let count = 0;
  let wanted = Number.POSITIVE_INFINITY;
  const tell = () => {
    if (count < wanted) return;
    wanted = Number.POSITIVE_INFINITY;
    say("done");
  };
  return {
    ran(payload) {
      if (payload.text.length !== 89) throw new Error("a handler was given another payload");
      count++;
      tell();
    },
    /** `until JOBS` waits until so many have run since the start. */
    async drive() {
      say("ready");
      for await (const line of createInterface({ input: process.stdin })) {
        wanted = Number(line.split(" ")[1]);
        tell();
      }
    },
  };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function load(callers: number, calls: number, call: () => Promise<unknown>): Promise<void> {
  let left = calls;
  const caller = async () => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: callers }, caller));
}
