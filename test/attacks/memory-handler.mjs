import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");

/** A handler that tells how much memory the server holds once what is garbage is gone, bytes. */
// biome-ignore lint/style/noDefaultExport: modules of handlers have one
export default {
  memory() {
    gc();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  },
};
