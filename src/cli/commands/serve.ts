import { type Command, Option } from "commander";
import { UsageError } from "../command-error.js";
import type { Context } from "../context.js";
import { addExamples } from "../options/format.js";
import { someText } from "../options/values.js";

const STORES = ["memory", "file", "redis"] as const;

/** Where a store in a file is unless somebody says otherwise. */
const DEFAULT_FOLDER = "./data";

type Variables = Readonly<Record<string, string | undefined>>;

interface ServeOptions {
  readonly port?: string;
  readonly host?: string;
  readonly store?: (typeof STORES)[number];
  readonly dataDir?: string;
  readonly redisUrl?: string;
  readonly handlers?: string;
  readonly workers?: string;
  readonly processes?: string;
  readonly queues?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
}

export function configureServe(command: Command, context: Context): void {
  command
    .option("--port <number>", "where to listen; 0: any free port (PORT; 8000)", someText)
    .option("--host <address>", "and at which address (HOST; 127.0.0.1)", someText)
    .addOption(new Option("--store <kind>", "where jobs are kept (memory)").choices(STORES))
    .option(
      "--data-dir <folder>",
      `folder of a store in a file (DATA_DIR; with --store file ${DEFAULT_FOLDER})`,
      someText,
    )
    .option(
      "--redis-url <url>",
      "which Redis keeps the jobs (REDIS_URL, whose password others of this machine cannot see)",
      someText,
    )
    .option("--handlers <module>", "module of handlers, JavaScript or TypeScript (HANDLERS)", someText)
    .option("--workers <count>", "handlers that run at the same time; 0: none (NUM_WORKERS; 10)")
    .option("--processes <count>", "processes that serve the port, for all cores of a machine (PROCESSES; 1)")
    .option("--queues <names>", "queues to create at start, parted by commas (QUEUES)")
    .option("--log-level <level>", "trace, debug, info, warn, error, fatal or silent (LOG_LEVEL; info)")
    .option("--log-format <format>", "json, pretty or auto (LOG_FORMAT; auto)")
    .option("--variables", "list all variables of the environment that a server reads, and end");
  addExamples(command, [
    ["gotaskq serve", "in memory, on 127.0.0.1:8000, with a console for browsers there"],
    ["gotaskq serve --data-dir ./data --handlers ./handlers.ts", "jobs survive; with handlers of your own"],
    ["gotaskq serve --redis-url redis://127.0.0.1:6379 --processes 4", "jobs in Redis, on four cores"],
    ["AUTH_TOKENS_FILE=tokens.json gotaskq serve --host 0.0.0.0", "for other machines"],
  ]);
  command.addHelpText(
    "after",
    "\nThe environment and a file .env say all else; flags come first. Exit codes: 0 stopped, 1 fault, 2 not valid.",
  );
  command.action(async (options: ServeOptions & { readonly variables?: boolean }) => {
    if (options.variables === true) {
      const { describeVariables } = await import("../../server/config/variables.js");
      return context.print(`${describeVariables()}\n`);
    }
    context.io.outliveReaders();
    const { loadProgram } = await import("../../server/load-program.js");
    const { readEnvironment, runServer } = await loadProgram();
    const environment = readEnvironment();
    await runServer({ ...environment, ...variablesOf(options, environment) });
    // It serves now, and ends its process itself.
    await new Promise(() => {});
  });
}

/** The variables that flags stand for; undefined: not set, whatever the environment says. */
function variablesOf(options: ServeOptions, environment: Variables): Record<string, string | undefined> {
  const { port, host, handlers, workers, processes, queues, logLevel, logFormat } = options;
  const given = {
    PORT: port,
    HOST: host,
    HANDLERS: handlers,
    NUM_WORKERS: workers,
    PROCESSES: processes,
    QUEUES: queues,
    LOG_LEVEL: logLevel,
    LOG_FORMAT: logFormat,
  };
  return {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    ...storeOf(options, environment),
  };
}

function storeOf(
  { store, dataDir, redisUrl }: ServeOptions,
  environment: Variables,
): Record<string, string | undefined> {
  const wanted = new Set([store, dataDir && "file", redisUrl && "redis"].filter((each) => each));
  if (wanted.size > 1) throw new UsageError("--store, --data-dir and --redis-url name different stores: jobs have one");
  const [kind] = wanted;
  if (kind === "memory") return { USE_REDIS: "false", DATA_DIR: undefined };
  if (kind === "file")
    return { USE_REDIS: "false", DATA_DIR: dataDir || environment.DATA_DIR?.trim() || DEFAULT_FOLDER };
  if (kind === "redis") return { USE_REDIS: "true", DATA_DIR: undefined, ...(redisUrl && { REDIS_URL: redisUrl }) };
  return {};
}
