import { connectSharedStore } from "../../backends/shared/shared-backend.js";
import { createSystemClock } from "../../core/clock.js";
import { configure } from "../configure.js";
import { EXIT_FAULT, endProcess, surviveHandlers } from "../process-life.js";
import { type Server, startServer } from "../server.js";
import { createChildLog, endInOrder, endRefused } from "./child-life.js";
import type { ServingArgument } from "./messages.js";
import { joinPrimary } from "./primary-link.js";

// One of the processes of a server: a server of its own, but for its port, which is the primary's. Its argument says which one it is.
const { index, processes, startedAt, sharedStore }: ServingArgument = JSON.parse(process.argv[2] ?? "");
const clock = createSystemClock();
const log = createChildLog(index + 1);

const link = joinPrimary(
  { clock, logger: log.logger, stop },
  {
    ...{ index, processes, ranMs: clock.now() - startedAt },
    connect: sharedStore === undefined ? undefined : (deps) => connectSharedStore(deps, { path: sharedStore }),
  },
);
let running: Server | undefined;
const starting = start();

async function start(): Promise<Server> {
  try {
    const { config, runner, authorizer } = await configure(process.env, log.logger);
    const server = await startServer(config, { logger: log.logger, runner, authorizer, siblings: link.siblings });
    surviveHandlers(server, log, clock);
    running = server;
    link.serving({ backend: server.engine.backend.kind, handlers: runner?.types });
    return server;
  } catch (error) {
    return endRefused(log, error, link.refused);
  }
}

async function stop(isLost: boolean): Promise<void> {
  // It waits for what has ended.
  if (isLost && running === undefined) await endProcess(log, EXIT_FAULT);
  const server = await starting;
  // What runs cannot be told of any more, and the sooner all ends the sooner somebody starts it again.
  await endInOrder(log, { stop: () => server.stop(isLost ? 0 : undefined) });
}
