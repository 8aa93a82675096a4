import { connectSharedStore } from "../../src/backends/shared/shared-backend.js";
import { cpuOfThis } from "./cpu.js";
import { openOn } from "./gotaskq.js";
import { loadFrom } from "./load.js";

// A process on a shared store: at the path that is its argument creates `JOBS` jobs by `CALLERS` callers and has as many run in `SLOTS`
// slots. It begins at SIGUSR2, and says how much CPU that took.

const [jobs = 0, callers = 0, slots = 0] = [process.env.JOBS, process.env.CALLERS, process.env.SLOTS].map(Number);
const server = await openOn((deps) => connectSharedStore(deps, { path: process.argv[2] ?? "" }), slots);
await server.work();
// What is compiled while it runs is compiled by then.
await loadFrom(callers, Number(process.env.WARM), () => server.create());
process.once("SIGUSR2", async () => {
  const before = cpuOfThis();
  await loadFrom(callers, jobs, () => server.create());
  process.stdout.write(`cpu ${cpuOfThis() - before}\n`);
});
process.on("SIGTERM", () => void server.close());
process.stdout.write("ready\n");
