// Loaded into the server under test (`--import`, with `--expose-gc`): tells its parent what it holds, when asked.

process.on("message", () => {
  for (let times = 0; times < 2; times++) globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  const resources = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  process.send({ heapBytes: heapUsed + arrayBuffers, resources });
});
process.channel.unref();
