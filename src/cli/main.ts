#!/usr/bin/env node
import { runCli } from "./cli.js";
import { processIo } from "./io.js";

let isEndedByReaders = true;

// Whoever read the output is gone, as `head` is when it has enough: that is no failure. Nobody is left to tell it to, either.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (isEndedByReaders) process.exit(error.code === "EPIPE" ? 0 : 1);
  });
}
const io = processIo(() => {
  isEndedByReaders = false;
});
// Ends by itself when all is written and nothing is open.
process.exitCode = await runCli(process.argv.slice(2), io);
