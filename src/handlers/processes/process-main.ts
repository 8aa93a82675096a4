import { describeError, errorText } from "../../model/common/describe-error.js";
import { jobFields } from "../../model/log/job-fields.js";
import { serveSupervisor } from "../../supervisor/serve-supervisor.js";
import { HandlerRun } from "../inside/handler-run.js";
import { loadHandlers } from "../load-handlers.js";
import type { FromProcess, ToProcess } from "./process-messages.js";

// What a child process runs: its argument is the module of handlers.
let current: HandlerRun | undefined;
let isEnding = false;
const send = (message: FromProcess, sent?: () => void) => link.send(message, sent);

const link = serveSupervisor({
  message(body) {
    const message = body as ToProcess;
    if (message.kind === "to-run") return current?.hear(message.message);
    const run = new HandlerRun(message.job, (told) => send({ kind: "from-run", message: told }));
    current = run;
    void run.run(handlers).finally(() => {
      current = undefined;
      if (!isEnding) send({ kind: "free" });
    });
  },
});

process.on("unhandledRejection", (error) => tellStray(error));
process.on("uncaughtException", (error) => {
  // Its state cannot be trusted any more: the process ends, and another one takes its place.
  if (current === undefined) tellStray(error);
  current?.uncaught(error);
  isEnding = true;
  // Once all that was said has left.
  send({ kind: "ending" }, () => process.exit(1));
});

function tellStray(error: unknown): void {
  send({ kind: "stray", error: describeError(error), job: current && jobFields(current.job) });
}

const handlers = await loadHandlers(process.argv[2] ?? "").catch((error: unknown) => {
  send({ kind: "unloadable", error: errorText(error) }, () => process.exit(1));
  return new Promise<never>(() => {});
});
send({ kind: "loaded", types: Object.keys(handlers) });
link.ready();
