import { formatSoak, runSoak, STORES, type Store } from "./soak.js";

// npm run soak                      takes ten minutes: memory, a file and Redis, one after the other
// npm run soak -- file              takes ten minutes for one of them
// SOAK_MINUTES=1 SOAK_SEED=7 npm run soak -- redis
// SOAK_FLOOR_MS=200                 for machines that have much else to do

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const minutes = Number(process.env.SOAK_MINUTES ?? 10);
const seed = Number(process.env.SOAK_SEED ?? Math.floor(Math.random() * 1_000_000));
const floorMs = Number(process.env.SOAK_FLOOR_MS ?? 100);
const wanted = process.argv.slice(2);
const stores = wanted.length === 0 ? STORES : STORES.filter((store) => wanted.includes(store));

// The servers and Redis end with this process, however it ends.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

async function soak(store: Store): Promise<boolean> {
  print(`${store}: SOAK_SEED=${seed} SOAK_MINUTES=${minutes} npm run soak -- ${wanted.join(" ")}`);
  const durationMs = (minutes * 60_000) / stores.length;
  const report = await runSoak({ store, durationMs, seed, floorMs, slack: 1, log: print });
  print(`\n${store}\n${formatSoak(report)}`);
  for (const text of report.violations) print(`! ${text}`);
  print(report.violations.length === 0 ? "nothing grows, and the good client was served\n" : "THE RUN HAS FAILED\n");
  return report.violations.length === 0;
}

if (wanted.length !== 0 && stores.length !== wanted.length) {
  print(`usage: npm run soak -- [${STORES.join(" | ")}]...`);
  process.exit(2);
}
try {
  const results: boolean[] = [];
  for (const store of stores) results.push(await soak(store));
  process.exit(results.every(Boolean) ? 0 : 1);
} catch (error) {
  print(`THE RUN HAS FAILED: ${error instanceof Error ? error.stack : error}`);
  process.exit(1);
}
