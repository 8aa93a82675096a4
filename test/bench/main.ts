import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { median, type Report } from "./figures.js";
import { mergeTables, toMarkdown } from "./tables.js";

// npm run bench            runs every row but `peers`, which fetches other programs
// npm run bench -- memory  runs one row
// RUNS=5 npm run bench     takes medians of five runs instead of three
//
// The rows are compiled and run against the built server: what users run, without the cost of a loader.

const RUNS = Number(process.env.RUNS ?? 3);
const folder = fileURLToPath(new URL("./rows/", import.meta.url));
/** The rows by their sources, as a compiled row may have lost its source since. */
const known = readdirSync(new URL("../../../test/bench/rows/", import.meta.url)).map((file) =>
  file.replace(/\.ts$/, ""),
);
const wanted = process.argv.slice(2);
const unknown = wanted.filter((row) => !known.includes(row));

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Runs a row in a process of its own, so that no row inherits the heap or the compiled code of another. */
function run(row: string): Report {
  const command = ["--expose-gc", `${folder}${row}.js`];
  const output = execFileSync(process.execPath, command, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  return JSON.parse(output.trim().split("\n").at(-1) ?? "") as Report;
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

if (unknown.length > 0) {
  print(`no such row: ${unknown.join(", ")}; there are ${known.join(", ")}`);
  process.exitCode = 2;
} else {
  print(`${cpus().length} x ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`);
  print(`medians of ${RUNS} runs; compare ratios, not absolute figures\n`);
  for (const row of wanted.length > 0 ? wanted : known.filter((row) => row !== "peers")) {
    const runs = Array.from({ length: RUNS }, () => run(row));
    const about = runs[0]?.about;
    print(about ? `${row} (${about})` : row);
    runs[0]?.figures.forEach(({ name, unit }, index) => {
      const values = runs.map(({ figures }) => figures[index]?.value ?? Number.NaN);
      const spread = `${format(Math.min(...values))} to ${format(Math.max(...values))}`;
      print(`  ${name.padEnd(58)} ${format(median(values)).padStart(10)} ${unit.padEnd(8)} (${spread})`);
    });
    for (const table of mergeTables(runs.map(({ tables }) => tables))) print(`\n${toMarkdown(table)}`);
    const remarks = new Set(runs.flatMap((run) => run.remarks));
    if (remarks.size > 0) print(`\n${[...remarks].join("\n")}`);
  }
}
