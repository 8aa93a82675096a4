import type { CommandEntry, Configure } from "./command-entry.js";

const SERVER = "Programs:";
const JOBS = "Jobs:";
const ADMIN = "Queues and schedules:";
const TOOLS = "Tools:";

/** All commands, in the order of the help. */
export const COMMANDS: readonly CommandEntry[] = [
  entry(SERVER, "serve", "start a server", async () => (await import("./commands/serve.js")).configureServe),
  entry(
    SERVER,
    "work",
    "run a module of handlers against a server",
    async () => (await import("./commands/work.js")).configureWork,
  ),
  entry(JOBS, "enqueue", "create jobs", async () => (await import("./commands/enqueue.js")).configureEnqueue),
  entry(JOBS, "get", "show jobs", async () => (await import("./commands/get.js")).configureGet),
  entry(
    JOBS,
    "watch",
    "follow a job to its end, or all that match",
    async () => (await import("./commands/watch.js")).configureWatch,
  ),
  entry(JOBS, "jobs", "list or count jobs", async () => (await import("./commands/jobs.js")).configureJobs),
  entry(JOBS, "cancel", "cancel jobs", async () => (await import("./commands/cancel.js")).configureCancel),
  entry(JOBS, "run", "let waiting jobs run now", async () => (await import("./commands/run.js")).configureRun),
  entry(
    JOBS,
    "update",
    "change a waiting job: its priority, time or payload",
    async () => (await import("./commands/update.js")).configureUpdate,
  ),
  entry(
    JOBS,
    "delete",
    "delete jobs that have ended",
    async () => (await import("./commands/delete.js")).configureDelete,
  ),
  entry(
    JOBS,
    "dlq",
    "dead jobs: list, summary, replay, delete",
    async () => (await import("./commands/dlq.js")).configureDlq,
  ),
  entry(
    ADMIN,
    "queues",
    "list, create, change, pause, purge and delete queues",
    async () => (await import("./commands/queues.js")).configureQueues,
  ),
  entry(
    ADMIN,
    "schedules",
    "list, create, change, pause, trigger and delete schedules",
    async () => (await import("./commands/schedules.js")).configureSchedules,
  ),
  entry(
    TOOLS,
    "check",
    "tell whether all is well: connection, store, clock, rights",
    async () => (await import("./commands/check.js")).configureCheck,
  ),
  entry(
    TOOLS,
    "top",
    "a live screen of queues and running jobs",
    async () => (await import("./commands/top.js")).configureTop,
  ),
  entry(
    TOOLS,
    "bench",
    "measure creates and runs against a server",
    async () => (await import("./commands/bench.js")).configureBench,
  ),
  entry(TOOLS, "token", "make a token, or hash one", async () => (await import("./commands/token.js")).configureToken),
  entry(
    TOOLS,
    "completion",
    "completion for bash, zsh or fish",
    async () => (await import("./commands/completion.js")).configureCompletion,
  ),
  {
    ...entry(TOOLS, "complete", "what can be typed, for the completion of shells", async () =>
      (await import("./commands/complete.js")).createConfigureComplete(COMMANDS),
    ),
    isHidden: true,
  },
];

function entry(group: string, name: string, summary: string, load: () => Promise<Configure>): CommandEntry {
  return { name, summary, group, load };
}
