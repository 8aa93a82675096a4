import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { createProcessLog } from "../../../src/server/log/process-log.js";

/** A reader of the log: it takes what is written at once, or when it is told to. */
class Reader extends Writable {
  text = "";
  isTTY = false;
  #isAsleep = false;
  #wake: () => void = () => {};

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const take = () => {
      this.text += chunk;
      done();
    };
    if (this.#isAsleep) this.#wake = take;
    else take();
  }

  sleep(): void {
    this.#isAsleep = true;
  }

  wake(): void {
    this.#isAsleep = false;
    this.#wake();
  }

  get lines(): readonly Record<string, unknown>[] {
    return this.text
      .trim()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }
}

function open(format: "auto" | "json" | "pretty" = "auto", { level = "debug", isTTY = false, hasColors = false } = {}) {
  const reader = new Reader({ highWaterMark: 16 });
  reader.isTTY = isTTY;
  const log = createProcessLog({ logLevel: level as "debug", logFormat: format }, reader, hasColors);
  return { reader, log };
}

/** Text of a client that tries to write a line of its own, or to move the cursor of a terminal. */
const EVIL = 'x\n{"level":"fatal"}\r\u001b[2J\u009b31m\u2028\u202e\u200b\u007f"';

describe("a line of JSON", () => {
  test("has the level by name, the time in UTC, fields, and the message", () => {
    const { reader, log } = open();
    log.logger.child({ job_id: "7" }).info({ queue: "mail" }, "leased");
    expect(reader.lines).toEqual([
      {
        level: "info",
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        job_id: "7",
        queue: "mail",
        msg: "leased",
      },
    ]);
  });

  test("describes an error, whatever was thrown", () => {
    const { reader, log } = open();
    log.logger.error({ err: new TypeError("no", { cause: 7 }) }, "failed");
    log.logger.error({ err: null }, "failed");
    expect(reader.lines).toMatchObject([
      { err: { type: "TypeError", message: "no", stack: expect.stringContaining("caused by: 7") } },
      { err: { type: "null", message: "null" } },
    ]);
  });

  test("is one line of printable characters, whatever is in it", () => {
    const { reader, log } = open();
    log.logger.warn({ [EVIL]: EVIL, err: new Error(EVIL) }, EVIL);
    expect(reader.text.trimEnd()).toMatch(/^[\x20-\x7e]+$/);
    expect(reader.lines).toMatchObject([{ msg: EVIL, [EVIL]: EVIL, err: { message: EVIL } }]);
  });

  test("is cut when it is long, and is JSON still", () => {
    const { reader, log } = open();
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`f${at}`, "y".repeat(1000)]));
    log.logger.info({ queue: "mail", long: "x".repeat(100_000), deep: [["z".repeat(50_000)]], ...many }, "long");
    expect(reader.text.length).toBeLessThan(40_000);
    expect(reader.lines).toMatchObject([
      { queue: "mail", long: expect.stringMatching(/^x{512}\.\.\. \(100000 characters\)$/), msg: "long" },
    ]);
  });

  test("is left out below LOG_LEVEL, but not those of the start and the end", () => {
    const { reader, log } = open("json", { level: "silent" });
    log.logger.fatal({}, "not told");
    log.life.info({}, "GoTaskQ listens");
    expect(reader.lines.map(({ msg }) => msg)).toEqual(["GoTaskQ listens"]);
    expect([log.logger.isLevelEnabled("error"), open().log.logger.isLevelEnabled("debug")]).toEqual([false, true]);
  });
});

describe("at a terminal", () => {
  test.each([
    ["auto", true, "pretty"],
    ["auto", false, "json"],
    ["json", true, "json"],
    ["pretty", false, "pretty"],
  ] as const)("LOG_FORMAT=%s, terminal: %s, is %s", (format, isTTY, expected) => {
    expect(open(format, { isTTY }).log.format).toBe(expected);
  });

  test("a line is text: time of day, level, message, fields, and the stack below", () => {
    const { reader, log } = open("pretty");
    log.logger.warn({ queue: "mail", n: 7, what: "two words", err: new TypeError("no") }, "it failed");
    const [head, first, second] = reader.text.split("\n");
    expect(head).toMatch(/^\d\d:\d\d:\d\d\.\d{3} WARN {2}it failed queue=mail n=7 what="two words"$/);
    expect(first).toBe("    TypeError: no");
    expect(second).toMatch(/^ {8}at .*process-log\.test/);
  });

  test("the level has a colour, unless that is not wanted", () => {
    const [colored, plain] = [true, false].map((hasColors) => {
      const { reader, log } = open("auto", { isTTY: true, hasColors });
      log.logger.error({}, "x");
      return reader.text;
    });
    expect(colored).toContain("\u001b[31mERROR\u001b[0m x");
    expect(plain).not.toContain("\u001b");
  });

  test("text of clients breaks no line and moves no cursor", () => {
    const { reader, log } = open("pretty");
    log.logger.warn({ [EVIL]: EVIL, list: [EVIL], err: Object.assign(new Error("x"), { detail: EVIL }) }, EVIL);
    expect(reader.text).toMatch(/^[\x20-\x7e\n]+$/);
    expect(reader.text.split("\n").filter((line) => line !== "" && !line.startsWith("    "))).toHaveLength(1);
  });
});

describe("a reader of the log", () => {
  test("that stands still keeps nobody waiting; how many lines it missed is told when it goes on", async () => {
    const { reader, log } = open();
    reader.sleep();
    for (let count = 0; count < 40; count++) log.logger.info({ filler: "x".repeat(30_000 + count) }, "line");
    expect(reader.writableLength).toBeLessThan(1_200_000);
    reader.wake();
    await log.flush();
    const before = reader.lines.length;
    expect(before).toBeGreaterThan(30);
    expect(before).toBeLessThan(40);
    log.logger.info({}, "again");
    await log.flush();
    expect(reader.lines.slice(before)).toMatchObject([
      { level: "warn", count: 40 - before, msg: "nobody read the log for a while: lines were left out" },
      { msg: "again" },
    ]);
  });

  test("that goes away ends the log and nothing else", async () => {
    const { reader, log } = open();
    const gone = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    reader.emit("error", gone);
    log.logger.info({}, "to nobody");
    await log.flush();
    expect(reader.text).toBe("");
  });
});
