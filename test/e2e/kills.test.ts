import { expect, test } from "vitest";
import { formatReport } from "../chaos/chaos.js";
import { runKills } from "../chaos/kill.js";

test.each([
  ["a server with a file is", 1],
  ["a server with a file and several processes, or one of them, is", 3],
])("nothing acknowledged is lost and no job ends twice while %s killed again and again", async (_what, processes) => {
  const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 1_000_000));
  const lines = [`seed ${seed}`];
  const report = await runKills({
    jobs: 800,
    producers: 4,
    kills: 6,
    copies: 2,
    durability: "power",
    processes,
    seed,
    durationBoundMs: 120_000,
    log: (line) => lines.push(line),
  }).catch((error) => {
    throw new Error(`${error.message}\n${lines.join("\n")}`, { cause: error });
  });
  process.stdout.write(`kills with CHAOS_SEED=${seed}\n${formatReport(report)}\n`);
  expect(report.violations, lines.join("\n")).toEqual([]);
  expect(report.counts).toMatchObject({ "jobs accepted": 800, "accepted and lost": 0, "copies looked into": 2 });
});
