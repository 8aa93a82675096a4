import type { Clock, Timer } from "../../../core/clock.js";
import { backendUnavailable } from "../../../model/common/errors.js";
import type { Logger } from "../../../model/log/logger.js";
import { createIdGenerator, type IdGenerator, MAX_NODE_ID } from "../../../model/queue/ids.js";
import type { Keys } from "../scripts/keys.js";
import { LEASE_NODE, RELEASE_NODE } from "../scripts/registry.js";
import { plainScript } from "../scripts/script.js";
import type { Connection } from "./connection.js";

/** Length of the lease of a node id, ms. */
const LEASE_MS = 60_000;

/** How often the lease is renewed, ms. */
const RENEW_MS = 15_000;

/** Wait after a failed renewal, ms. */
const RETRY_MS = 1000;

const LEASE = plainScript("end", LEASE_NODE);
const RELEASE = plainScript("end", RELEASE_NODE);

/** Dependencies of the node ids. */
export interface NodeIdsDeps {
  readonly connection: Connection;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Features that this server knows, for servers that are about to switch one on. */
  readonly features: readonly string[];
  /** What the workers of this server take, for other servers; see `TakenElsewhere`. */
  readonly taken: () => string;
  /** Called with each time of Redis, ms since 1970, that came for a call sent at `sentAt` on the monotonic clock. */
  readonly looked: (time: number, sentAt: number) => void;
  /** Called after each periodic renewal, so that even an idle server checks regularly that Redis still has its data. */
  readonly renewed: () => Promise<void>;
}

/**
 * Generates job ids from a node id that no other server has. The node id is leased from Redis: a server that could not
 * renew its lease in time (it was suspended or cut off) generates no ids until it has a node id again.
 */
export class NodeIds implements IdGenerator {
  readonly #deps: NodeIdsDeps;
  readonly #owner: string;
  #node: number | undefined;
  #generator: IdGenerator | undefined;
  /** Until when the node id is certainly ours, ms on the monotonic clock. */
  #until = Number.NEGATIVE_INFINITY;
  /** The time of Redis when the node id was leased or renewed, less the monotonic clock, ms. */
  #floor = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #isStopped = false;

  /** `owner` names this server in the lease; it must be unique among all servers. */
  constructor(deps: NodeIdsDeps, owner: string) {
    this.#deps = deps;
    this.#owner = owner;
  }

  /** The node id; undefined before the first lease. */
  get node(): number | undefined {
    return this.#node;
  }

  /** Returns a new job id. Throws BACKEND_UNAVAILABLE while there is no node id that is certainly ours. */
  next(): string {
    if (this.#generator === undefined || this.#deps.clock.monotonic() >= this.#until) {
      throw backendUnavailable("this server has no node id at the moment");
    }
    return this.#generator.next();
  }

  /** Leases a node id and renews it until `stop`. BACKEND_UNAVAILABLE when all are in use. */
  async start(): Promise<void> {
    await this.#lease();
    this.#arm(RENEW_MS);
  }

  /** Renews the lease now, as after a break in the connection; leases another node id when the old one is taken. */
  async renew(): Promise<void> {
    if (!this.#isStopped) await this.#lease();
  }

  /** Gives the node id back, if Redis is there. */
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
    const { connection, keys, features, taken } = this.#deps;
    const names = [keys.nodes, keys.owners, keys.nodeFeatures, keys.nodeTaken];
    for (const wanted of this.#node === undefined ? [""] : [this.#node, ""]) {
      const askedAt = this.#deps.clock.monotonic();
      const args = [this.#owner, wanted, LEASE_MS, features.join(","), taken()];
      const [node, time] = (await connection.script(LEASE, names, args)) as [number, number];
      this.#deps.looked(time, askedAt);
      if (node < 0) continue;
      // Ahead of what the node id's last owner made, even when both our clocks were set back in between.
      this.#floor = time - askedAt;
      if (node !== this.#node) {
        this.#node = node;
        this.#generator = createIdGenerator({ now: () => this.#now() }, node);
      }
      this.#until = askedAt + LEASE_MS;
      return;
    }
    throw backendUnavailable(`every one of the ${MAX_NODE_ID + 1} node ids is in use`);
  }

  /** Our own time, or that of Redis if it is later. */
  #now(): number {
    const { clock } = this.#deps;
    return Math.max(clock.now(), Math.floor(this.#floor + clock.monotonic()));
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
