import type { Clock, Timer } from "../../../core/clock.js";
import { backendUnavailable } from "../../../model/errors.js";
import { createIdGenerator, type IdGenerator, MAX_NODE_ID } from "../../../model/ids.js";
import type { Logger } from "../../../model/logger.js";
import type { Keys } from "../scripts/keys.js";
import { LEASE_NODE, RELEASE_NODE } from "../scripts/registry.js";
import { plainScript } from "../scripts/script.js";
import type { Connection } from "./connection.js";

/** How long a node id is ours unless its lease is renewed, ms. */
const LEASE_MS = 60_000;

/** How often it is renewed, ms. */
const RENEW_MS = 15_000;

/** Wait after a renewal that failed, ms. */
const RETRY_MS = 1000;

const LEASE = plainScript("end", LEASE_NODE);
const RELEASE = plainScript("end", RELEASE_NODE);

/** What the node ids stand on. */
export interface NodeIdsDeps {
  readonly connection: Connection;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called after each renewal by time: a server that has nothing else to do with Redis looks after it then. */
  readonly renewed: () => Promise<void>;
}

/**
 * Makes job ids with a node id that no other server has. The node id is leased: a server that could not renew it in time
 * (it was stopped, or cut off) makes no ids until it has one again.
 */
export class NodeIds implements IdGenerator {
  readonly #deps: NodeIdsDeps;
  readonly #owner: string;
  #node: number | undefined;
  #generator: IdGenerator | undefined;
  /** Until when the node id is surely ours, on the monotonic clock. */
  #until = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #isStopped = false;

  /** `owner` is a text that no other server has. */
  constructor(deps: NodeIdsDeps, owner: string) {
    this.#deps = deps;
    this.#owner = owner;
  }

  /** The node id, once there is one. */
  get node(): number | undefined {
    return this.#node;
  }

  /** BACKEND_UNAVAILABLE while there is no node id that is surely ours. */
  next(): string {
    if (this.#generator === undefined || this.#deps.clock.monotonic() >= this.#until) {
      throw backendUnavailable("this server has no node id at the moment");
    }
    return this.#generator.next();
  }

  /** Leases a node id and keeps it. */
  async start(): Promise<void> {
    await this.#lease();
    this.#arm(RENEW_MS);
  }

  /** Renews the lease now: after a break in the connection. */
  async renew(): Promise<void> {
    if (!this.#isStopped) await this.#lease();
  }

  /** Gives it back. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#until = Number.NEGATIVE_INFINITY;
    const { connection, keys } = this.#deps;
    if (this.#node === undefined || !connection.isReady) return;
    const { nodes, owners } = keys;
    await connection.script(RELEASE, [nodes, owners], [this.#owner, this.#node]).catch(() => {});
  }

  async #lease(): Promise<void> {
    const { connection, keys } = this.#deps;
    const { nodes, owners } = keys;
    for (const wanted of this.#node === undefined ? [""] : [this.#node, ""]) {
      const askedAt = this.#deps.clock.monotonic();
      const node = Number(await connection.script(LEASE, [nodes, owners], [this.#owner, wanted, LEASE_MS]));
      if (node < 0) continue;
      if (node !== this.#node) {
        this.#node = node;
        this.#generator = createIdGenerator(this.#deps.clock, node);
      }
      this.#until = askedAt + LEASE_MS;
      return;
    }
    throw backendUnavailable(`every one of the ${MAX_NODE_ID + 1} node ids is in use`);
  }

  #arm(ms: number): void {
    if (this.#isStopped) return;
    this.#timer = this.#deps.clock.setTimer(ms, () => {
      const renewed = this.#lease().then(() => this.#deps.renewed());
      renewed.then(
        () => this.#arm(RENEW_MS),
        (error) => {
          this.#deps.logger.warn({ err: error }, "the lease of the node id could not be renewed; trying again");
          this.#arm(RETRY_MS);
        },
      );
    });
  }
}
