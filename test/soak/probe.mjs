import { isMainThread } from "node:worker_threads";

// Loaded into the server under test (`--import`, with `--expose-gc`), and by Node into its threads: tells its parent what it
// holds, when asked.

if (isMainThread) {
  process.on("message", () => {
    for (let times = 0; times < 2; times++) globalThis.gc();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    const resources = {};
    for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
    process.send({ heapBytes: heapUsed + arrayBuffers, resources });
  });
  process.channel.unref();
}
