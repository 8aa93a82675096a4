import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Client, createClient } from "@connectrpc/connect";
import { JobService } from "../../gen/gotaskq/v1/job_service_pb.js";
import { QueueService } from "../../gen/gotaskq/v1/queue_service_pb.js";
import { CONNECT_JSON } from "../support/transports.js";
import { within } from "../support/wait.js";

const MAIN = fileURLToPath(new URL("../../.build/src/main.js", import.meta.url));

/** How long a server may take until it listens, ms. */
const START_MS = 20_000;

/** One server process. */
export interface Member {
  readonly name: string;
  readonly url: string;
  readonly jobs: Client<typeof JobService>;
  readonly queues: Client<typeof QueueService>;
  readonly isAlive: boolean;
  readonly isFrozen: boolean;
  /** Kills it by SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Sends SIGSTOP. */
  freeze(): void;
  /** Sends SIGCONT. */
  thaw(): void;
  /** What it printed last. */
  output(): string;
}

const children = new Set<ChildProcess>();
process.on("exit", killAllMembers);

/** Kills every server process, including those that do not listen yet. */
export function killAllMembers(): void {
  for (const child of children) child.kill("SIGKILL");
}

/**
 * Starts a server process with these environment variables and resolves when it listens. `died` is called when it ends
 * after that and nobody killed it. Rejects with its output when it ends before.
 */
export async function startMember(
  name: string,
  env: Readonly<Record<string, string>>,
  died: (member: Member, how: string) => void,
): Promise<Member> {
  if (!existsSync(MAIN)) throw new Error("the server is not built: run `npm run build`");
  const child = spawn(process.execPath, ["--enable-source-maps", MAIN], {
    env: { PATH: process.env.PATH ?? "", PORT: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.add(child);
  child.once("exit", () => children.delete(child));
  let output = "";
  const keep = (text: string) => {
    output = (output + text).slice(-4000);
  };
  child.stderr.setEncoding("utf8").on("data", keep);
  const url = await within(
    new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        keep(`${line}\n`);
        const found = /listens on (http:\/\/\S+)/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      });
      child.once("error", reject);
      child.once("close", (code, signal) => reject(new Error(`${name} ended with ${code ?? signal}:\n${output}`)));
    }),
    `the start of ${name}`,
    START_MS,
  ).catch((error) => {
    child.kill("SIGKILL");
    throw error;
  });

  let [isAlive, isFrozen] = [true, false];
  const transport = CONNECT_JSON.create(url);
  const member: Member = {
    name,
    url,
    jobs: createClient(JobService, transport),
    queues: createClient(QueueService, transport),
    get isAlive() {
      return isAlive;
    },
    get isFrozen() {
      return isFrozen;
    },
    async kill() {
      if (!isAlive) return;
      isAlive = false;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await within(ended, `the end of ${name}`);
    },
    freeze() {
      isFrozen = true;
      child.kill("SIGSTOP");
    },
    thaw() {
      isFrozen = false;
      child.kill("SIGCONT");
    },
    output: () => output,
  };
  child.once("close", (code, signal) => {
    if (!isAlive) return;
    isAlive = false;
    died(member, String(code ?? signal));
  });
  return member;
}
