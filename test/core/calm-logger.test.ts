import { beforeEach, describe, expect, test } from "vitest";
import { calmLogger } from "../../src/core/calm-logger.js";
import { backendUnavailable } from "../../src/model/common/errors.js";
import type { Logger } from "../../src/model/log/logger.js";
import { FakeClock } from "../support/fake-clock.js";
import { recordingLogger } from "../support/logger.js";

/** For how long a line stands for others of the same cause, ms. */
const CALM_MS = 5000;

let clock: FakeClock;
let written: ReturnType<typeof recordingLogger>;
let logger: Logger;

beforeEach(() => {
  clock = new FakeClock();
  written = recordingLogger();
  logger = calmLogger(written, clock);
});

const texts = () => written.lines.map(({ message, fields }) => `${message} ${fields.repeated ?? 0}`);

describe("a fault that thousands of calls meet", () => {
  test("is one line, and later another with how many were left out", async () => {
    for (let n = 0; n < 4000; n++) logger.warn({ call: n }, "no answer");
    expect(written.lines).toEqual([{ level: "warn", fields: { call: 0 }, message: "no answer" }]);
    await clock.advance(CALM_MS - 1);
    logger.warn({ call: 4000 }, "no answer");
    await clock.advance(1);
    logger.warn({ call: 4001 }, "no answer");
    logger.warn({ call: 4002 }, "no answer");
    await clock.advance(CALM_MS);
    logger.warn({ call: 4003 }, "no answer");
    await clock.advance(CALM_MS);
    logger.warn({ call: 4004 }, "no answer");
    expect(texts()).toEqual(["no answer 0", "no answer 4000", "no answer 1", "no answer 0"]);
  });

  test("is one line a text, a level and an error, through every child", () => {
    const child = logger.child({ part: "pool" });
    for (let n = 0; n < 10; n++) {
      for (const each of [logger, child]) {
        each.warn({}, "one");
        each.error({}, "one");
        each.warn({}, "two");
        each.warn({ err: new Error("this") }, "two");
        each.warn({ err: new Error("that") }, "two");
      }
    }
    expect(written.lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
      ...["warn one", "error one", "warn two", "warn two", "warn two"],
    ]);
  });

  test("is one line whichever job it meets when it is a store that is away; other news of each job are written", () => {
    for (let job = 0; job < 10; job++) {
      logger.warn({ job_id: `${job}`, err: backendUnavailable(`away ${job}`) }, "progress could not be written");
      logger.warn({ job_id: `${job}`, err: new Error("no") }, "an attempt failed");
    }
    expect(texts()).toEqual(["progress could not be written 0", ...Array(10).fill("an attempt failed 0")]);
  });

  test("is 50 lines when it is jobs of one type that fail by the thousand, and a count of the others", async () => {
    const fail = (type: string, from: number, to: number) => {
      for (let n = from; n < to; n++)
        logger.warn({ job_id: `${n}`, type, err: new Error(`no ${n}`) }, "an attempt failed");
    };
    fail("mail", 0, 1000);
    fail("other", 0, 10);
    await clock.advance(CALM_MS);
    fail("mail", 1000, 1002);
    expect(written.lines.map(({ fields }) => `${fields.type} ${fields.job_id} ${fields.repeated ?? 0}`)).toEqual([
      ...Array.from({ length: 50 }, (_, n) => `mail ${n} 0`),
      ...Array.from({ length: 10 }, (_, n) => `other ${n} 0`),
      ...["mail 1000 950", "mail 1001 0"],
    ]);
  });

  test("is not what a handler says about its job", () => {
    const child = logger.child({ job_id: "7", type: "mail" });
    for (let n = 0; n < 100; n++) child.warn({}, "the customer is away");
    expect(written.lines).toHaveLength(100);
  });

  test("does not silence what is no fault, and ever new faults do not fill the memory", () => {
    for (let n = 0; n < 3; n++) logger.info({}, "Redis is there");
    expect(written.lines).toHaveLength(3);
    for (let n = 0; n < 1000; n++) logger.warn({}, `fault ${n}`);
    logger.warn({}, "fault 999");
    expect(written.lines).toHaveLength(1003);
    // Forgotten by now.
    logger.warn({}, "fault 0");
    expect(written.lines).toHaveLength(1004);
  });
});
