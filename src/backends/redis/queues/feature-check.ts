import { upgradeRequired } from "../../../model/common/errors.js";
import type { Connection } from "../link/connection.js";
import { NODES_LACKING } from "../scripts/features.js";
import type { Keys } from "../scripts/keys.js";
import { plainScript } from "../scripts/script.js";

const LACKING = plainScript("read", NODES_LACKING);

/**
 * Throws UPGRADE_REQUIRED when a live server does not know one of these features: the queue would be taken from its
 * workers. A server that starts later reads what the queue requires.
 */
export async function checkFeatures(
  connection: Connection,
  { nodes, nodeFeatures }: Keys,
  queue: string,
  features: readonly string[],
): Promise<void> {
  for (const feature of features) {
    const lacking = (await connection.script(LACKING, [nodes, nodeFeatures], [feature])) as readonly Buffer[];
    if (lacking.length === 0) continue;
    const names = lacking.map(String).join(", ");
    throw upgradeRequired(queue, feature, `which not all servers know: upgrade those with the node ids ${names} first`);
  }
}
