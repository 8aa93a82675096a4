import { createMemoryBackend } from "../../src/backends/memory/memory-backend.js";
import { createSharedStore } from "../../src/backends/shared/shared-store.js";
import { createSystemClock } from "../../src/core/clock.js";
import { silentLogger } from "../../src/model/log/logger.js";
import { createIdGenerator } from "../../src/model/queue/ids.js";
import { cpuOfThis } from "./cpu.js";

// A process that holds a store in memory for others, at the path that is its argument. At SIGUSR2 it says how much CPU it has used.

const clock = createSystemClock();
const backend = createMemoryBackend({ clock, random: Math.random });
const store = createSharedStore(
  { backend, ids: createIdGenerator(clock, 0), clock, logger: silentLogger },
  { path: process.argv[2] ?? "" },
);
await store.start();
process.on("SIGUSR2", () => process.stdout.write(`cpu ${cpuOfThis()}\n`));
process.on("SIGTERM", () => void store.stop());
process.stdout.write("ready\n");
