import { isUnavailable } from "../../../model/common/errors.js";
import type { Logger } from "../../../model/log/logger.js";
import { type Connection, isDenied } from "../link/connection.js";

/** Dependencies of the links. */
export interface BusLinksDeps {
  /** To one node or to all; only with several nodes there are links. */
  readonly connection: Connection;
  /** The connection that the channel is heard on: what is asked is how its node stands. */
  readonly subscription: Connection;
  readonly logger: Logger;
}

/**
 * The links by which the other nodes of a cluster send what they publish to the node whose channel is heard here. When a link breaks,
 * because a node stood still for a second for instance, messages are lost and nobody is told: the last change of a queue would not be
 * heard of until the next one. But then another link is made, and this node tells when.
 */
export class BusLinks {
  readonly #deps: BusLinksDeps;
  /** Who sends by each link, and when it was made; undefined while it is not known. */
  #known: ReadonlySet<string> | undefined;
  #isDenied = false;

  constructor(deps: BusLinksDeps) {
    this.#deps = deps;
  }

  /** Notes which links there are. Call it when the channel is heard again, before what was published is read elsewhere. */
  async note(): Promise<void> {
    this.#known = undefined;
    this.#known = await this.#read();
  }

  /**
   * Resolves to whether a link was made since they were noted: what was published before, in place of the one that broke, may be
   * lost. A link that is gone and not made again says no more than that its node is away. Rejects with BACKEND_UNAVAILABLE.
   */
  async haveBroken(): Promise<boolean> {
    if (this.#known === undefined) return false;
    const links = await this.#read();
    // Else the channel is heard anew by now, and everything is read.
    if (links === undefined || this.#known === undefined) return false;
    const known = this.#known;
    this.#known = links;
    return [...links].some((link) => !known.has(link));
  }

  /** Call when the connection broke: the next one may be to another node. */
  forget(): void {
    this.#known = undefined;
  }

  async #read(): Promise<ReadonlySet<string> | undefined> {
    const { connection, subscription, logger } = this.#deps;
    if (!connection.hasNodes || this.#isDenied) return undefined;
    try {
      const links = (await subscription.call((client) => client.call("CLUSTER", "LINKS"))) as unknown[][];
      return new Set(links.flatMap((link) => senderOf(link) ?? []));
    } catch (error) {
      if (isUnavailable(error) && !isDenied(error)) throw error;
      this.#isDenied = true;
      logger.warn({ err: error }, WARNING);
      return undefined;
    }
  }
}

const WARNING =
  "Redis does not tell of the links between its nodes (CLUSTER LINKS): when one breaks, changes may be heard of with the next in their queue only";

/** Who sends by a link, and when it was made; undefined for one by which the other node is sent to. */
function senderOf(link: readonly unknown[]): string | undefined {
  const fields = new Map<unknown, unknown>();
  for (let at = 0; at < link.length; at += 2) fields.set(link[at], link[at + 1]);
  return fields.get("direction") === "from" ? `${fields.get("node")} ${fields.get("create-time")}` : undefined;
}
