import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { LISTENS } from "../support/listens.js";
import { within } from "../support/wait.js";

/** How long the server may take to start, to end, and to tell what it holds, ms. */
const PATIENCE_MS = 30_000;

const MAIN = fileURLToPath(new URL("../../.build/src/main.js", import.meta.url));
const PROBE = fileURLToPath(new URL("./probe.mjs", import.meta.url));

/** What a server holds at one moment. */
export interface Holding {
  /** Memory of the process that is resident, bytes. */
  readonly residentBytes: number;
  /** Heap and buffers that are still referenced, bytes. */
  readonly heapBytes: number;
  /** Open files and sockets. */
  readonly files: number;
  /** What keeps the event loop alive, by kind: timers, sockets, requests. */
  readonly resources: Readonly<Record<string, number>>;
}

/** The server under test, in a process of its own. */
export interface SoakServer {
  readonly url: string;
  readonly isAlive: boolean;
  /** Lines of its log that tell of errors. */
  readonly errors: readonly string[];
  /** Collects garbage first. */
  holding(): Promise<Holding>;
  /** Ends it in an orderly way; resolves to its exit code. */
  stop(): Promise<number | null>;
  kill(): void;
}

const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** Starts the built server with these environment variables. */
export async function startSoakServer(env: Readonly<Record<string, string>>): Promise<SoakServer> {
  if (!existsSync(MAIN)) throw new Error("the server is not built: run `npm run build`");
  const child = spawn(process.execPath, ["--expose-gc", "--enable-source-maps", "--import", PROBE, MAIN], {
    env: { PATH: process.env.PATH ?? "", PORT: "0", ...env },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  children.add(child);
  const ended = once(child, "exit");
  ended.then(() => children.delete(child));
  const errors: string[] = [];
  const url = await within(
    new Promise<string>((resolve, reject) => {
      for (const output of [child.stdout, child.stderr]) {
        if (output === null) continue;
        createInterface({ input: output }).on("line", (line) => {
          const found = LISTENS.exec(line)?.[1];
          if (found !== undefined) resolve(found);
          else if (output === child.stderr || /"level":"?(error|fatal|50|60)\b/.test(line)) errors.push(line);
        });
      }
      child.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${errors.join("\n")}`)));
    }),
    "the start of the server",
    PATIENCE_MS,
  );
  const pid = child.pid ?? 0;
  return {
    url,
    errors,
    get isAlive() {
      return child.exitCode === null && child.signalCode === null;
    },
    async holding() {
      const told = once(child, "message");
      child.send("tell");
      const [inside] = await within(told, "what the server holds", PATIENCE_MS);
      const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
      return {
        ...(inside as Pick<Holding, "heapBytes" | "resources">),
        residentBytes: Number(resident) * 1024,
        files: readdirSync(`/proc/${pid}/fd`).length,
      };
    },
    async stop() {
      child.kill("SIGTERM");
      const [code] = await within(ended, "the end of the server", PATIENCE_MS);
      return code as number | null;
    },
    kill: () => void child.kill("SIGKILL"),
  };
}
