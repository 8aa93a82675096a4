import { FEATURES } from "../layout/features.js";
import { createScripts } from "../queues/queue-calls.js";
import { REDIS_TIME } from "../scripts/script.js";

// npm run redis:scripts  names the scripts of queues by their SHA, as SLOWLOG and MONITOR show them

for (const [name, { sha }] of Object.entries(createScripts(REDIS_TIME, FEATURES))) {
  process.stdout.write(`${sha} ${name}\n`);
}
