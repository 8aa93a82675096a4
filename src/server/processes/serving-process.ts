import type { Socket } from "node:net";
import type { Clock, Timer } from "../../core/clock.js";
import type { ChildEnd } from "../../supervisor/child-end.js";
import type { ChildSelf, SupervisedChild } from "../../supervisor/supervised-child.js";
import type { Supervisor } from "../../supervisor/supervisor.js";
import type { PagePart } from "../metrics/merge-pages.js";
import type { Dealer, Seat } from "./dealer.js";
import { refusedStart } from "./failed-start.js";
import type { Asking, FromServing, Question, ServingStart, Told, ToServing } from "./messages.js";
import { answer, Questions } from "./questions.js";

/** How long a process has to serve, ms, before its end is taken for one of its own, and the next one starts without a wait. */
const PROVED_MS = 10_000;

/** What the primary does for one of its processes. */
export interface ServingDuties {
  /** It serves, after each of its starts. */
  serving(start: ServingStart): void;
  /** It could not start, and why. */
  refused(error: Error): void;
  /** It may no longer take connections, or reach what keeps the jobs, or may again. */
  changed(): void;
  /** It ended; undefined: it had told no metrics. */
  ended(end: ChildEnd, page: PagePart | undefined): void;
  /** Answers what it asks. */
  tell<Q extends Question>(what: Q): Promise<Told[Q] | undefined>;
  /** An answer could not be made. */
  failed(error: unknown): void;
}

/** One of the processes that serve a port, as the primary sees it. When it ends, another one takes its place here. */
export class ServingProcess {
  readonly #child: SupervisedChild;
  readonly #clock: Clock;
  readonly #dealer: Dealer;
  readonly #duties: ServingDuties;
  readonly #questions: Questions;
  #seat: Seat | undefined;
  #isAvailable = true;
  /** Its metrics, as told last. */
  #page: PagePart | undefined;
  #proving: Timer | undefined;

  /** Starts it. */
  constructor(supervisor: Supervisor, self: ChildSelf, clock: Clock, dealer: Dealer, duties: ServingDuties) {
    this.#clock = clock;
    this.#dealer = dealer;
    this.#duties = duties;
    this.#questions = new Questions(clock, (asking) => void this.#send(asking));
    this.#child = supervisor.add(
      {
        message: (body) => this.#heard(body as FromServing),
        ended: (end) => this.#ended(end),
      },
      self,
    );
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Whether it serves now. */
  get isServing(): boolean {
    return this.#seat !== undefined;
  }

  /** Whether it serves and cannot reach what keeps the jobs. */
  get isCutOff(): boolean {
    return this.isServing && !this.#isAvailable;
  }

  /** Its metrics, as told last; undefined: never by the process that runs now. */
  get page(): PagePart | undefined {
    return this.#page;
  }

  /** Has it tell its metrics. Resolves when it has, or did not in time. */
  async readPage(): Promise<void> {
    const page = this.isServing ? await this.#questions.ask("page") : undefined;
    if (page !== undefined) this.#page = page;
  }

  /** Its workers; undefined: it does not tell. */
  async workers(): Promise<Told["workers"] | undefined> {
    return this.isServing ? this.#questions.ask("workers") : undefined;
  }

  /** Tells it whether all others can reach what keeps the jobs. */
  tellOthers(areAvailable: boolean): void {
    if (this.isServing) this.#send({ kind: "others", areAvailable });
  }

  /** Tells it that what keeps the jobs has ended for good. */
  tellLost(): void {
    this.#send({ kind: "lost" });
  }

  /** Ends it at once. */
  kill(): void {
    this.#child.kill();
  }

  #send(message: ToServing, socket?: Socket): boolean {
    return this.#child.send(message, socket);
  }

  #heard(message: FromServing): void {
    if (message.kind === "willing") this.#seat?.willing();
    else if (message.kind === "closed") this.#seat?.closed(message.connections);
    else if (message.kind === "answer") this.#questions.hear(message);
    else if (message.kind === "ask") this.#answer(message);
    else if (message.kind === "serving") this.#serving(message.start);
    else if (message.kind === "refused") this.#duties.refused(refusedStart(message));
    else {
      if (message.kind === "closing") this.#close();
      else this.#isAvailable = message.isAvailable;
      this.#duties.changed();
    }
  }

  #serving(start: ServingStart): void {
    this.#seat = this.#dealer.seat({
      offer: () => void this.#send({ kind: "offer" }),
      hand: (connection, socket) => this.#send({ kind: "connection", connection }, socket),
    });
    this.#proving = this.#clock.setTimer(PROVED_MS, () => this.#child.proved());
    this.#duties.serving(start);
  }

  #close(): void {
    this.#seat?.close();
    this.#send({ kind: "dealt" });
  }

  #answer(asking: Asking): void {
    const { tell, failed } = this.#duties;
    const told = { page: () => tell("page"), workers: () => tell("workers") };
    void answer(asking, told, (message) => void this.#send(message), failed);
  }

  #ended(end: ChildEnd): void {
    const page = this.#page;
    this.#proving?.cancel();
    this.#seat?.leave();
    this.#seat = undefined;
    this.#page = undefined;
    this.#isAvailable = true;
    this.#questions.drop();
    this.#duties.ended(end, page);
  }
}

/** Tells each process whether all others can reach what keeps the jobs. */
export function tellEachOther(all: readonly ServingProcess[]): void {
  const cutOff = all.filter((one) => one.isCutOff);
  for (const one of all) one.tellOthers(cutOff.every((other) => other === one));
}
