import type { Redis } from "ioredis";
import { SLOTS } from "../../../support/redis-cluster.js";

/** The nodes of a cluster, which share the slots evenly. */
type Nodes = readonly Redis[];

/** Returns the slot of a queue. */
export async function slotOf(nodes: Nodes, prefix: string, queue: string): Promise<number> {
  return Number(await (nodes[0] as Redis).call("CLUSTER", "KEYSLOT", `${prefix}:{${queue}}:meta`));
}

/** Returns the number of the node that has a queue. */
export async function nodeOf(nodes: Nodes, prefix: string, queue: string): Promise<number> {
  return Math.floor((await slotOf(nodes, prefix, queue)) / Math.ceil(SLOTS / nodes.length));
}

/** Returns the name of a queue on each node, by node. */
export async function queueOnEachNode(nodes: Nodes, prefix: string): Promise<string[]> {
  const names: string[] = [];
  for (let n = 0; names.filter(Boolean).length < nodes.length; n++) {
    names[await nodeOf(nodes, prefix, `queue-${n}`)] ??= `queue-${n}`;
  }
  return names;
}
