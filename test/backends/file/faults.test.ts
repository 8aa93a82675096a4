import { execFileSync } from "node:child_process";
import { mkdirSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import Database from "libsql";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Reply, Writer } from "../../../src/backends/file/batch.js";
import { createFileBackend } from "../../../src/backends/file/file-backend.js";
import { StoreUnusable } from "../../../src/backends/file/store-unusable.js";
import { contentDigest } from "../../../src/model/job/request-id.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import { FakeClock } from "../../support/fake-clock.js";
import { eventually } from "../../support/wait.js";
import { createWriterHere, folderOfTest, openFile } from "../contract/file-harness.js";
import { Recorder } from "../contract/harness.js";
import {
  add,
  addOne,
  createQueue,
  done,
  expectRefused,
  jobOf,
  LEASE_MS,
  lease,
  leaseOne,
  statsOf,
  tickAll,
} from "../contract/support.js";

const RETRY_MS = 1000;

/** A writer whose writes or syncs fail, while it is told to. */
function createFailingWriter() {
  const inner = createWriterHere();
  let failing: "write" | "sync" | undefined;
  let isBroken = false;
  const fail = () => {
    isBroken = true;
    setImmediate(() => outer.onReply({ kind: "failed", message: "no space left on device" }));
  };
  const outer: Writer & { fail(what: "write" | "sync" | undefined): void } = {
    onReply() {},
    fail(what) {
      failing = what;
    },
    send(request) {
      if (request.kind === "reopen") {
        if (failing !== undefined) return fail();
        isBroken = false;
      }
      if (request.kind === "write" && isBroken) return;
      if (request.kind === "write" && failing === "write") return fail();
      inner.send(request);
    },
  };
  inner.onReply = (reply: Reply) => {
    if (reply.kind === "synced" && (isBroken || failing === "sync")) {
      if (!isBroken) fail();
      return;
    }
    outer.onReply(reply);
  };
  return outer;
}

async function openFailing(folder = folderOfTest()) {
  const writer = createFailingWriter();
  const clock = new FakeClock();
  const opened = await openFile({ folder }, clock, writer);
  const heard: boolean[] = [];
  opened.heard.available = (isAvailable: boolean) => void heard.push(isAvailable);
  return {
    ...opened,
    clock,
    availability: heard,
    fail: writer.fail,
    /** Ends the fault, and waits until the store has got over it. */
    async mend() {
      writer.fail(undefined);
      await clock.advance(RETRY_MS);
      await eventually(async () => heard.at(-1) === true || undefined, "the store to be available again");
    },
    async reopen() {
      await opened.close();
      return openFile({ folder }, clock);
    },
  };
}

describe.each(["write", "sync"] as const)("when a commit fails in its %s", (fault) => {
  test("a create is unavailable, and its repeat answers the job that was made", async () => {
    const store = await openFailing();
    const digest = contentDigest({ type: "echo", numbers: [] });
    store.fail(fault);
    const heardBefore = store.heard.changesHeard.length;
    await expectRefused(
      store.backend.enqueue([] as never).then(() => addOne(store.backend, { requestId: "r", digest })),
      "BACKEND_UNAVAILABLE",
    );
    expect(store.heard.changesHeard).toHaveLength(heardBefore);
    expect(store.availability).toEqual([false]);
    await store.mend();
    await addOne(store.backend, { requestId: "r", digest });
    expect(await statsOf(store.backend)).toMatchObject({ ready: 1 });
    expect(store.heard.changesHeard).toHaveLength(heardBefore + 1);
    const again = await store.reopen();
    expect(await statsOf(again.backend)).toMatchObject({ ready: 1 });
    await again.close();
  });

  test("nothing is decided until it is mended, and no lease ends meanwhile", async () => {
    const store = await openFailing();
    await add(store.backend, {}, {});
    const held = await leaseOne(store.backend, { worker: "remote" });
    await store.backend.get([]);
    store.fail(fault);
    await expectRefused(addOne(store.backend), "BACKEND_UNAVAILABLE");
    await store.clock.advance(2 * LEASE_MS);
    for (const call of [
      () => store.backend.tick(),
      () => lease(store.backend),
      () => store.backend.complete([done(held)]),
      () => store.backend.queues(),
      () => store.backend.get([held.job.id]),
      () => store.backend.purge("default"),
    ]) {
      await expectRefused(call(), "BACKEND_UNAVAILABLE");
    }
    await store.mend();
    await tickAll(store.backend);
    expect(await statsOf(store.backend)).toMatchObject({ ready: 2, running: 1 });
    expect(await store.backend.complete([done(held)])).toMatchObject([{ outcome: "APPLIED" }]);
    await store.close();
  });

  test("a lease whose call failed is taken back, and nothing is counted", async () => {
    const store = await openFailing();
    const id = await addOne(store.backend);
    store.fail("write");
    await expectRefused(lease(store.backend), "BACKEND_UNAVAILABLE");
    store.fail(fault);
    await store.clock.advance(RETRY_MS);
    await store.mend();
    expect(await jobOf(store.backend, id)).toMatchObject({ status: "PENDING", deliveries: 0, lostLeases: 0 });
    expect((await leaseOne(store.backend)).job.id).toBe(id);
    await store.close();
  });

  test("a lease whose call failed returns the slot that it took of a rate", async () => {
    const store = await openFailing();
    const FROM = { queues: ["rated"] };
    await createQueue(store.backend, "rated", { rateLimit: { count: 1, periodMs: 3_600_000, burst: 1 } });
    await add(store.backend, { queue: "rated" }, { queue: "rated" });
    store.fail("write");
    await expectRefused(lease(store.backend, FROM), "BACKEND_UNAVAILABLE");
    store.fail(fault);
    await store.clock.advance(RETRY_MS);
    await store.mend();
    expect(await lease(store.backend, FROM)).toHaveLength(1);
    expect(await lease(store.backend, FROM)).toEqual([]);
    await store.close();
  });

  test("what is stopped meanwhile has all that was acknowledged", async () => {
    const store = await openFailing();
    const ids = await add(store.backend, {}, {}, {});
    store.fail(fault);
    await expectRefused(addOne(store.backend), "BACKEND_UNAVAILABLE");
    const again = await store.reopen();
    expect((await again.backend.get(ids)).map((job) => job?.id)).toEqual(ids);
    await again.close();
  });
});

describe("the end of a store", () => {
  /** A writer whose closing goes through `close`, which gets what sends it on. */
  function createWriterThat(close: (writer: Writer, goOn: () => void) => void) {
    const inner = createWriterHere();
    const sent: string[] = [];
    const outer: Writer = {
      onReply() {},
      send(request) {
        sent.push(request.kind);
        if (request.kind === "close") close(outer, () => inner.send(request));
        else inner.send(request);
      },
    };
    inner.onReply = (reply) => outer.onReply(reply);
    return { writer: outer, sent };
  }

  test("is final, though the last write fails then", async () => {
    const folder = folderOfTest();
    const clock = new FakeClock();
    const { writer, sent } = createWriterThat(({ onReply }, goOn) => {
      onReply({ kind: "failed", message: "no space left on device" });
      goOn();
    });
    const { backend, close } = await openFile({ folder }, clock, writer);
    await close();
    await clock.advance(3 * RETRY_MS);
    expect(sent).not.toContain("reopen");
    await expectRefused(addOne(backend), "BACKEND_UNAVAILABLE");
    await (await openFile({ folder })).close();
  });

  test("does not wait for ever for a disk that does not answer", async () => {
    const clock = new FakeClock();
    let goOn = () => {};
    const { writer, sent } = createWriterThat((_, later) => {
      goOn = later;
    });
    const { close } = await openFile({ folder: folderOfTest() }, clock, writer);
    let isOver = false;
    const closed = close().then(() => {
      isOver = true;
    });
    await eventually(async () => sent.includes("close") || undefined, "the close to be sent");
    expect(isOver).toBe(false);
    await clock.advance(10_000);
    await closed;
    goOn();
  });

  test("lets go of the folder while it is still being read", async () => {
    const folder = folderOfTest();
    await (await openFile({ folder })).close();
    const deps = { clock: new FakeClock(), random: Math.random, logger: silentLogger, writer: createWriterHere() };
    const backend = createFileBackend(deps, { folder });
    const started = backend.start(new Recorder()).then(
      () => "started",
      (error) => error.reason,
    );
    await backend.stop();
    expect(await started).toBe("BACKEND_UNAVAILABLE");
    await (await openFile({ folder })).close();
  });
});

/** Mounts a file system of this size, where that is permitted. */
function mounted(mebibytes: number): string | undefined {
  const folder = folderOfTest();
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", folder], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  onTestFinished(() => {
    execFileSync("umount", ["-l", folder]);
  });
  return folder;
}

test("a disk that is full refuses creates, loses nothing, and is used again when there is room", async ({ skip }) => {
  const disk = mounted(24) ?? skip("mounting is not permitted here");
  const folder = join(disk, "data");
  const clock = new FakeClock();
  const opened = await openFile({ folder }, clock);
  let isAvailable = true;
  opened.heard.available = (value: boolean) => {
    isAvailable = value;
  };
  const filler = join(disk, "filler");
  const payload = JSON.stringify("x".repeat(100_000));
  const ids: string[] = [];
  const fill = async () => {
    for (let count = 0; count < 200; count++) ids.push(await addOne(opened.backend, { payload }));
  };
  writeFileSync(filler, Buffer.alloc(16 * 2 ** 20));
  await expectRefused(fill(), "BACKEND_UNAVAILABLE");
  expect(isAvailable).toBe(false);
  await clock.advance(RETRY_MS);
  expect(isAvailable).toBe(false);
  rmSync(filler);
  const isMended = async () => {
    await clock.advance(RETRY_MS);
    return isAvailable || undefined;
  };
  await eventually(isMended, "the store to be available again");
  ids.push(await addOne(opened.backend));
  expect((await opened.backend.get(ids)).map((job) => job?.id)).toEqual(ids);
  await opened.close();
  const again = await openFile({ folder }, clock);
  expect((await again.backend.get(ids)).map((job) => job?.id)).toEqual(ids);
  await again.close();
});

test("a folder that is made is for its owner only", async () => {
  const folder = join(folderOfTest(), "made", "here");
  await (await openFile({ folder })).close();
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

describe("a folder is refused, with a sentence that names it and what to do,", () => {
  async function refusal(folder: string): Promise<string> {
    const error = await openFile({ folder }).then(
      () => undefined,
      (error) => error,
    );
    expect(error).toBeInstanceOf(StoreUnusable);
    expect(error.message).toContain(folder);
    return error.message;
  }

  async function filled(): Promise<string> {
    const folder = folderOfTest();
    const opened = await openFile({ folder });
    for (let count = 0; count < 5; count++) {
      await add(opened.backend, ...Array.from({ length: 200 }, () => ({})));
    }
    await opened.close();
    return folder;
  }

  test("when another process uses it", async () => {
    const folder = folderOfTest();
    const opened = await openFile({ folder });
    expect(await refusal(folder)).toContain(`in use by another process (pid ${process.pid})`);
    await opened.close();
    await (await openFile({ folder })).close();
  });

  test("when a newer version wrote it", async () => {
    const folder = await filled();
    const database = new Database(join(folder, "gotaskq.db"));
    database.exec("PRAGMA user_version = 99");
    database.close();
    expect(await refusal(folder)).toMatch(/has schema 99.*Start the newer version/);
  });

  test("when the file is of another program, or no database", async () => {
    const folder = folderOfTest();
    const database = new Database(join(folder, "gotaskq.db"));
    database.exec("CREATE TABLE notes (text)");
    database.close();
    expect(await refusal(folder)).toContain("not one of GoTaskQ");
    writeFileSync(join(folder, "gotaskq.db"), "a letter to somebody".repeat(1000));
    expect(await refusal(folder)).toContain("Put back a backup");
  });

  test("when the file is damaged, cut off, or has a gap", async () => {
    const folder = await filled();
    const file = join(folder, "gotaskq.db");
    const whole = readFileSync(file);
    const { size } = statSync(file);
    for (const at of [size / 2, size / 4, size / 3]) {
      writeFileSync(file, whole);
      writeSync(openSync(file, "r+"), Buffer.alloc(8192, 0x5a), 0, 8192, Math.floor(at / 4096) * 4096);
      expect(await refusal(folder)).toContain("Put back a backup");
    }
    writeFileSync(file, whole.subarray(0, size / 2));
    expect(await refusal(folder)).toContain("Put back a backup");
    writeFileSync(file, whole);
    const database = new Database(file);
    database.exec("UPDATE changes SET first = first + 10 WHERE first = (SELECT max(first) FROM changes)");
    database.close();
    expect(await refusal(folder)).toContain("the change log has a gap");
  });

  test("when it is no folder, or cannot be written to", async () => {
    const folder = join(folderOfTest(), "file");
    writeFileSync(folder, "");
    expect(await refusal(folder)).toMatch(/file: is not a folder, .*Name another folder/);
    expect(await refusal(join(folder, "below"))).toMatch(/below: is not a folder, .*Name another folder/);
    const other = folderOfTest();
    mkdirSync(join(other, "gotaskq.db"));
    expect(await refusal(other)).toContain("cannot be written to");
  });
});
