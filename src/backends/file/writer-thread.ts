import { Worker } from "node:worker_threads";
import type { Reply, Request, Writer } from "./batch.js";

/**
 * Starts the thread that has the file. When it ends by itself, that is a `failed`, and the next request starts
 * another.
 */
export function createWriterThread(): Writer {
  let thread: Worker | undefined;

  function start(writer: Writer): Worker {
    const started = startThread();
    const ended = (why: string) => {
      if (thread !== started) return;
      thread = undefined;
      writer.onReply({ kind: "failed", message: why });
    };
    started.on("message", (reply: Reply) => {
      if (reply.kind === "closed" || reply.kind === "unusable") {
        if (thread === started) thread = undefined;
        void started.terminate();
      }
      writer.onReply(reply);
    });
    started.on("error", (error) => ended(`the thread that writes the file ended: ${error.message}`));
    started.on("exit", (code) => ended(`the thread that writes the file ended with ${code}`));
    return started;
  }

  const writer: Writer = {
    send(request: Request) {
      thread ??= start(writer);
      thread.postMessage(request);
    },
    onReply() {},
  };
  return writer;
}

/** Starts what lies beside this file: the build, or the source where that runs as it is. */
function startThread(): Worker {
  const main = (extension: string) => new URL(`./writer-main${extension}`, import.meta.url).href;
  if (import.meta.url.endsWith(".js")) return new Worker(new URL(main(".js")));
  const source = JSON.stringify(main(".ts"));
  return new Worker(`import("tsx/esm/api").then(({ tsImport }) => tsImport(${source}, ${source}))`, { eval: true });
}
