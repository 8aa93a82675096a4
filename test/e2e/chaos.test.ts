import { expect, test } from "vitest";
import { formatReport, runChaos } from "../chaos/chaos.js";

test("no job is lost or ends twice while three servers and their Redis are killed, frozen and cut off", async () => {
  const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 1_000_000));
  const lines = [`seed ${seed}`];
  const report = await runChaos({
    jobs: 3000,
    producers: 6,
    servers: 3,
    workers: 2,
    queues: 40,
    typeSets: 8,
    faults: 12,
    seed,
    durationBoundMs: 180_000,
    log: (line) => lines.push(line),
  }).catch((error) => {
    throw new Error(`${error.message}\n${lines.join("\n")}`, { cause: error });
  });
  process.stdout.write(`chaos with CHAOS_SEED=${seed}\n${formatReport(report)}\n`);
  expect(report.violations, lines.join("\n")).toEqual([]);
  expect(report.counts).toMatchObject({ "jobs accepted": 3000, "jobs in the record": 3000, "accepted and lost": 0 });
});
