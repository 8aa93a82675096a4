import { silentLogger } from "../../src/model/log/logger.js";
import { readConfig } from "../../src/server/config/config.js";
import { startServer } from "../../src/server/server.js";

// A server in a process of its own that runs no jobs: `fast` is the server as it is, `stock` has connect-node alone.

const env = { ...process.env, PORT: "0", NUM_WORKERS: "0" };
const server = await startServer(readConfig(env), { logger: silentLogger, isFastPathOn: process.argv[2] !== "stock" });
process.stdout.write(`${server.url}\n`);
