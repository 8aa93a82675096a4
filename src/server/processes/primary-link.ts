import type { AddressInfo, Socket } from "node:net";
import type { Clock } from "../../core/clock.js";
import type { Logger } from "../../model/log/logger.js";
import { serveSupervisor } from "../../supervisor/serve-supervisor.js";
import type { PortTaker } from "../http/open-port.js";
import type { Refusal } from "../log/tell-problems.js";
import type { FromServing, ServingStart, ToServing } from "./messages.js";
import { answer, Questions } from "./questions.js";
import type { SiblingAnswers, Siblings } from "./siblings.js";

/** The page of all takes as long as the slowest process, which the primary waits for: longer than for one of them. */
const ANSWER_MS = 10_000;

/** How long the primary may take to deal no more connections, ms. */
const CLOSE_MS = 1000;

/** Dependencies of a link. */
export interface PrimaryLinkDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends this process in order. `isLost`: what keeps the jobs has ended for good. */
  readonly stop: (isLost: boolean) => Promise<void>;
}

/** Where this process stands among the others. */
export type PrimaryLinkOptions = Pick<Siblings, "index" | "processes" | "ranMs" | "connect">;

/** The primary, as a serving process sees it. */
export interface PrimaryLink {
  readonly siblings: Siblings;
  /** Tells that this process serves. */
  serving(start: ServingStart): void;
  /** Tells why it cannot start. Resolves when that has left. */
  refused(refusal: Refusal): Promise<void>;
}

/** Makes this process one of those that serve the port of its primary. Throws when it is the child of none. */
export function joinPrimary(deps: PrimaryLinkDeps, options: PrimaryLinkOptions): PrimaryLink {
  const { clock, logger, stop } = deps;
  let taker: PortTaker | undefined;
  let answers: SiblingAnswers | undefined;
  let allDealt: () => void = () => {};
  let othersChanged: (areAvailable: boolean) => void = () => {};
  /** Those that have closed since that was told last. */
  let closed: number[] = [];

  let isLost = false;
  const link = serveSupervisor({
    stop: () => stop(isLost),
    message(body, socket) {
      const message = body as ToServing;
      if (message.kind === "offer") send({ kind: "willing" });
      else if (message.kind === "connection") take(message.connection, socket);
      else if (message.kind === "dealt") allDealt();
      else if (message.kind === "lost") isLost = true;
      else if (message.kind === "others") othersChanged(message.areAvailable);
      else if (message.kind === "answer") questions.hear(message);
      else {
        const told = {
          page: async () => answers?.page(),
          workers: async () => answers?.workers(),
        };
        const failed = (error: unknown) => logger.error({ err: error }, `${message.what}: could not be told`);
        void answer(message, told, send, failed);
      }
    },
  });
  const send = (message: FromServing, sent?: () => void) => link.send(message, sent);
  const questions = new Questions(clock, send, ANSWER_MS);

  function take(connection: number, socket: Socket | undefined): void {
    // It may be closed already: then Node sends none.
    if (socket === undefined) {
      tellClosed(connection);
      return;
    }
    socket.once("close", () => tellClosed(connection));
    socket.allowHalfOpen = true;
    if (taker === undefined) socket.destroy();
    else taker.taken(socket);
  }

  /** Tells those that close in one turn of the event loop together. */
  function tellClosed(connection: number): void {
    closed.push(connection);
    if (closed.length > 1) return;
    setImmediate(() => {
      send({ kind: "closed", connections: closed });
      closed = [];
    });
  }

  return {
    siblings: {
      ...options,
      async openPort(port, host, given) {
        taker = given;
        const address: AddressInfo = { address: host, port, family: host.includes(":") ? "IPv6" : "IPv4" };
        return {
          address,
          // Those that are on their way are taken, and told that this process ends.
          async close() {
            await new Promise<void>((resolve) => {
              const timer = clock.setTimer(CLOSE_MS, resolve);
              allDealt = () => {
                timer.cancel();
                resolve();
              };
              send({ kind: "closing" });
            });
            taker = undefined;
          },
        };
      },
      available: (isAvailable) => send({ kind: "available", isAvailable }),
      onOthersAvailable(changed) {
        othersChanged = changed;
      },
      answer(given) {
        answers = given;
      },
      async page() {
        const page = await questions.ask("page");
        if (page === undefined) throw new Error("the primary process told no metrics");
        return page.body;
      },
      workers: async () => (await questions.ask("workers")) ?? [],
    },
    serving: (start) => send({ kind: "serving", start }),
    refused: (refusal) => new Promise((resolve) => send({ kind: "refused", ...refusal }, resolve)),
  };
}
