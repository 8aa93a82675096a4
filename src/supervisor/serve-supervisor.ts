import type { Socket } from "node:net";
import { Worker } from "node:worker_threads";
import { type FromChild, LIFELINE_FD, type ToChild } from "./protocol.js";

/** What a child does. */
export interface ChildDuties {
  /** Hears a message, with the connection that came with it. */
  message?(body: unknown, socket?: Socket): void;
  /** Ends the process in order. Default: it ends at once. */
  stop?(): Promise<void> | void;
}

/** The supervisor, as a child sees it. */
export interface SupervisorLink {
  /** Says that the child is ready. */
  ready(): void;
  /** Sends a message, of whatever can be cloned. `sent` is called when it has left, or cannot. */
  send(body: unknown, sent?: () => void): void;
}

/** Ends the process when the supervisor's is gone. In a thread of its own: the other may be in a loop without an end. */
const WATCH_LIFELINE = `
  const { Socket } = require("node:net");
  const end = () => process.kill(process.pid, "SIGKILL");
  new Socket({ fd: ${LIFELINE_FD} }).on("error", end).on("close", end).resume();
`;

/**
 * Makes this process a child of its supervisor: SIGTERM and SIGINT, which a terminal or service manager sends to all processes
 * of a group, are left to the supervisor, and the process ends when the supervisor says so or is gone. Throws when this
 * process is not the child of one.
 */
export function serveSupervisor(duties: ChildDuties): SupervisorLink {
  if (process.send === undefined) throw new Error("this program is started by a supervisor");
  const limits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 };
  new Worker(WATCH_LIFELINE, { eval: true, execArgv: [], env: {}, resourceLimits: limits }).unref();
  process.on("SIGTERM", () => {});
  process.on("SIGINT", () => {});
  process.on("disconnect", () => process.exit(0));
  process.on("message", async (message: ToChild, socket?: Socket) => {
    if (message.type === "message") return duties.message?.(message.body, socket);
    try {
      await duties.stop?.();
    } finally {
      process.exit(0);
    }
  });

  function tell(message: FromChild, sent: () => void = () => {}): void {
    if (process.connected) process.send?.(message, undefined, undefined, () => sent());
    else sent();
  }

  return {
    ready: () => tell({ type: "ready" }),
    send: (body, sent) => tell({ type: "message", body }, sent),
  };
}
