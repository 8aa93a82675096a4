import { formatReport, runChaos } from "./chaos.js";
import { runKills } from "./kill.js";

// npm run chaos                                   creates 100,000 jobs
// CHAOS_SEED=17 CHAOS_JOBS=10000 npm run chaos    repeats the jobs and faults of an earlier run, with that many jobs
// npm run chaos -- file                           kills a server with a file 200 times; CHAOS_KILLS=20 that often
// CHAOS_PROCESSES=3 npm run chaos -- file         one with several processes, or one of these, that of the store too

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 1_000_000));
const isFile = process.argv[2] === "file";
const kills = Number(process.env.CHAOS_KILLS ?? 200);
const processes = Number(process.env.CHAOS_PROCESSES ?? 1);
const jobs = Number(process.env.CHAOS_JOBS ?? (isFile ? kills * 200 : 100_000));

// The servers and Redis end with this process, however it ends.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

const several = processes > 1 ? `CHAOS_PROCESSES=${processes} ` : "";
print(`seed ${seed}: CHAOS_SEED=${seed} CHAOS_JOBS=${jobs} ${several}npm run chaos${isFile ? " -- file" : ""}`);
const common = { jobs, producers: 8, seed, durationBoundMs: 30 * 60_000, log: print };
try {
  const report = isFile
    ? await runKills({ ...common, kills, copies: Math.ceil(kills / 4), durability: "power", processes })
    : await runChaos({
        ...common,
        servers: 3,
        workers: 4,
        queues: 200,
        typeSets: 50,
        faults: Math.max(12, Math.round(jobs / 1500)),
      });
  print(formatReport(report));
  print(report.violations.length === 0 ? "nothing was lost, nothing was done twice" : "THE RUN HAS FAILED");
  process.exit(report.violations.length === 0 ? 0 : 1);
} catch (error) {
  print(`THE RUN HAS FAILED: ${error instanceof Error ? error.stack : error}`);
  process.exit(1);
}
