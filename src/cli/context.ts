import type { Command } from "commander";
import type { TaskQueueClient } from "../client/index.js";
import { escapeUnsafe } from "../model/common/unsafe-text.js";
import { UsageError } from "./command-error.js";
import { hasColors, type Io } from "./io.js";
import { type Connection, type ConnectionOptions, connectionOf } from "./options/connection.js";
import { type JsonRecord, recordLine } from "./output/records.js";
import { createStatusLine, type StatusLine } from "./output/status-line.js";
import { createStyle, inLine, type Style } from "./output/style.js";

/** How often it is told that a server is away, ms. */
const TELL_AGAIN_MS = 10_000;

/** How results are written, as options ask for it. */
export interface FormatOptions {
  readonly json?: boolean;
  readonly text?: boolean;
}

/** What every command works with. */
export interface Context {
  readonly io: Io;
  /** For text on stdout. */
  readonly style: Style;
  /** Set it to end with another code than 0. */
  exitCode: number;
  /** Where the server is that was called last. */
  readonly urls: readonly string[];
  /** How far it is, on a terminal; what is printed or told takes it away. */
  readonly line: StatusLine;
  /** Characters of a line. */
  readonly width: number;
  /** Whether results are for people: on a terminal, unless options say otherwise. */
  isForPeople(options: FormatOptions): boolean;
  /** Writes to stdout. Resolves when whoever reads it is ready for more. */
  print(text: string): Promise<void>;
  /** Writes a record as a line. */
  printRecord(record: JsonRecord): Promise<void>;
  /** Tells something besides, on stderr. */
  tell(text: string): void;
  /** Tells that the server answers again, where it was told that it does not. */
  answered(): void;
  /** Which server this command is to call. Options may stand before the command or after it. */
  connection(command: Command): Connection;
  /** Returns a client of it; it is closed at the end of the command. Loads the client. */
  connect(command: Command, options?: ConnectOptions): Promise<TaskQueueClient>;
  /** Asks on the terminal before something that cannot be undone. Rejects with a `UsageError` where nobody can be asked. */
  confirm(question: string, isSure: boolean | undefined): Promise<boolean>;
}

/** What sets the client of a command apart. */
export interface ConnectOptions {
  /** How long a call is tried again while the server is away, ms, unless an option says it. */
  readonly retryMs?: number | undefined;
  /** How long one call may take, ms, unless an option says it. */
  readonly timeoutMs?: number | undefined;
  /** Whether nobody is to be told that a call is tried again. */
  readonly isQuiet?: boolean | undefined;
}

/** Creates a context, and what ends what it has opened. */
export function createContext(io: Io): { readonly context: Context; close(): void } {
  const clients: TaskQueueClient[] = [];
  const isTerminal = io.stdout.isTTY === true;

  const line = createStatusLine(io);
  let urls: readonly string[] = [];
  /** When it was told that the server is away; undefined: it answers, as far as is known. ms on the monotonic clock. */
  let toldAwayAt: number | undefined;

  function connection(command: Command): Connection {
    const found = connectionOf(optionsOf(command), io.env);
    urls = found.urls;
    return found;
  }

  const context: Context = {
    io,
    style: createStyle(hasColors(io.stdout, io.env)),
    exitCode: 0,
    get urls() {
      return urls;
    },
    line,
    get width() {
      return io.stdout.columns || 100;
    },
    isForPeople: ({ json, text }) => text ?? (json === true ? false : isTerminal),
    async print(text) {
      line.clear();
      if (!io.stdout.write(text)) await new Promise((resolve) => io.stdout.once("drain", resolve));
    },
    printRecord(record) {
      const line = recordLine(record);
      // JSON may have any character but a few in its texts, and is the same with them escaped.
      return context.print(`${isTerminal ? escapeUnsafe(line) : line}\n`);
    },
    tell(text) {
      line.clear();
      io.stderr.write(`${text}\n`);
    },
    answered() {
      if (toldAwayAt !== undefined) context.tell("gotaskq: the server answers again");
      toldAwayAt = undefined;
    },
    connection,
    async connect(command, { retryMs, timeoutMs, isQuiet } = {}) {
      const { urls, options } = connection(command);
      const { createClient } = await import("../client/index.js");
      const isGiven = (option: string) => command.getOptionValueSourceWithGlobals(option) !== undefined;
      const client = createClient(urls, {
        ...options,
        ...(retryMs !== undefined && !isGiven("retry") && { retryMs }),
        ...(timeoutMs !== undefined && !isGiven("callTimeout") && { timeoutMs }),
        onRetry(error) {
          if (isQuiet === true || (toldAwayAt !== undefined && performance.now() - toldAwayAt < TELL_AGAIN_MS)) return;
          toldAwayAt = performance.now();
          context.tell(`gotaskq: ${inLine(error.message)}; trying again`);
        },
      });
      clients.push(client);
      return client;
    },
    async confirm(question, isSure) {
      if (isSure === true) return true;
      if (io.stdin.isTTY !== true || io.stderr.isTTY !== true) {
        throw new UsageError(
          `${question.replace(/\?$/, "")}: --yes says that this is meant, where nobody can be asked`,
        );
      }
      const { createInterface } = await import("node:readline/promises");
      const lines = createInterface({ input: io.stdin, output: io.stderr });
      try {
        // Ctrl-D and Ctrl-C close it, and nothing is answered then.
        const closed = new Promise<string>((resolve) => lines.once("close", () => resolve("")));
        return /^y(es)?$/i.test((await Promise.race([lines.question(`${question} [y/N] `), closed])).trim());
      } finally {
        lines.close();
      }
    },
  };
  return {
    context,
    close() {
      for (const client of clients) client.close();
    },
  };
}

/** The options of a command and of those that it is under. */
function optionsOf(command: Command): ConnectionOptions {
  return { ...(command.parent && optionsOf(command.parent)), ...command.opts<ConnectionOptions>() };
}
