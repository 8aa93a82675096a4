import { createSystemClock } from "../../core/clock.js";
import { guessLogSettings } from "../config/logging.js";
import { configure } from "../configure.js";
import { createProcessLog } from "../log/process-log.js";
import { refusalOf, tellProblems } from "../log/tell-problems.js";
import { EXIT_CONFIG, EXIT_FAULT, endProcess, stopAll, surviveHandlers } from "../process-life.js";
import { type Server, startServer } from "../server.js";
import type { ServingArgument } from "./messages.js";
import { joinPrimary } from "./primary-link.js";

// One of the processes of a server: a server of its own, but for its port, which is the primary's. Its argument says which one it is.
const { index, processes, startedAt, sharedStore }: ServingArgument = JSON.parse(process.argv[2] ?? "");
const clock = createSystemClock();
const log = createProcessLog(guessLogSettings(process.env), process.stdout, !process.env.NO_COLOR, {
  process: index + 1,
});
process.stderr.on("error", () => {});

const link = joinPrimary(
  { clock, logger: log.logger, stop },
  { index, processes, ranMs: clock.now() - startedAt, sharedStore },
);
const starting: Promise<Server | undefined> = start();

async function start(): Promise<Server | undefined> {
  try {
    const { config, runner, authorizer } = await configure(process.env, log.logger);
    const server = await startServer(config, { logger: log.logger, runner, authorizer, siblings: link.siblings });
    surviveHandlers(server, log, clock);
    link.serving({ backend: server.engine.backend.kind, handlers: runner?.types });
    return server;
  } catch (error) {
    const refusal = refusalOf(error);
    // The primary tells those, once for all.
    if (refusal !== undefined) await link.refused(refusal.problems, refusal.isInvalid);
    else tellProblems(log, error, (text) => process.stderr.write(`${text}\n`));
    return endProcess(log, refusal === undefined ? EXIT_FAULT : EXIT_CONFIG);
  }
}

async function stop(): Promise<void> {
  const server = await starting;
  try {
    if (server !== undefined) await stopAll(server);
  } catch (error) {
    log.life.fatal({ err: error }, "stopping failed");
    await endProcess(log, EXIT_FAULT);
  }
  await endProcess(log, 0);
}
