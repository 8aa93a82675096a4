import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Request, Writer } from "../../../src/backends/file/batch.js";
import { createFileBackend, type FileBackendOptions } from "../../../src/backends/file/file-backend.js";
import { WriterService } from "../../../src/backends/file/writer-service.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import { FakeClock } from "../../support/fake-clock.js";
import { type BackendHarness, Recorder, timeOf } from "./harness.js";

/** A writer in this thread: the same code as that of the thread, without the time that a thread takes to start. */
export function createWriterHere(): Writer {
  const service = new WriterService((reply) => setImmediate(() => writer.onReply(structuredClone(reply))));
  let last = Promise.resolve();
  const writer: Writer = {
    send(request: Request) {
      const copy = structuredClone(request);
      last = last.then(() => service.request(copy));
    },
    onReply() {},
  };
  return writer;
}

/** A folder that is removed at the end. */
export function createFolder(): { readonly folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-file-"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A folder that is removed at the end of the test. */
export function folderOfTest(): string {
  const { folder, remove } = createFolder();
  onTestFinished(remove);
  return folder;
}

/** File backends whose time stands still except for `advance`. */
export const fileHarness: BackendHarness = {
  async open(options) {
    const { folder, remove } = createFolder();
    const opened = await openFile({ ...options, folder });
    return {
      ...opened,
      async close() {
        await opened.close();
        remove();
      },
    };
  },
};

/** Opens a file backend on a folder, with a clock of its own or this one. */
export async function openFile(
  options: Partial<FileBackendOptions> & Pick<FileBackendOptions, "folder">,
  clock = new FakeClock(),
  writer = createWriterHere(),
) {
  const deps = { clock, random: Math.random, logger: silentLogger, writer };
  const backend = createFileBackend(deps, options);
  const heard = new Recorder();
  await backend.start(heard);
  heard.clear();
  return {
    backend,
    heard,
    ...timeOf(clock),
    settled: async () => {
      await backend.get([]);
    },
    close: () => backend.stop(),
  };
}
