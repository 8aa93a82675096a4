import { describe, expect, test } from "vitest";
import type { Connection } from "../../../../src/backends/redis/link/connection.js";
import { BusLinks } from "../../../../src/backends/redis/log/bus-links.js";
import { backendUnavailable } from "../../../../src/model/common/errors.js";
import { recordingLogger } from "../../../support/logger.js";

const link = (direction: "from" | "to", node: string, made: number): unknown[] => [
  ...["direction", direction, "node", node, "create-time", made, "events", "r"],
];

/** The links of a node that answers with what `answer` returns. */
function create(answer: () => unknown[][], hasNodes = true) {
  const logger = recordingLogger();
  const client = { call: async () => answer() };
  const subscription = { call: (send: (each: unknown) => unknown) => send(client) } as unknown as Connection;
  return { logger, links: new BusLinks({ connection: { hasNodes } as Connection, subscription, logger }) };
}

describe("links between the nodes of a cluster", () => {
  test("have broken when one was made since they were noted, not when one is gone, or leads the other way", async () => {
    let now = [link("from", "a", 1), link("to", "a", 1), link("from", "b", 1)];
    const { links } = create(() => now);
    const then = async (...next: unknown[][]) => {
      now = next;
      return links.haveBroken();
    };
    await links.note();
    expect(await then(link("from", "a", 1), link("to", "a", 2), link("from", "b", 1))).toBe(false);
    expect(await then(link("from", "a", 1))).toBe(false);
    expect(await then(link("from", "a", 1), link("from", "b", 3))).toBe(true);
    expect(await then(link("from", "a", 1), link("from", "b", 3))).toBe(false);
    expect(await then(link("from", "a", 4), link("from", "b", 3))).toBe(true);
  });

  test("say nothing before they are noted, nor once they are forgotten", async () => {
    let made = 0;
    const { links } = create(() => [link("from", "a", ++made)]);
    expect(await links.haveBroken()).toBe(false);
    await links.note();
    links.forget();
    expect(await links.haveBroken()).toBe(false);
  });

  test("are not asked for where Redis is one server", async () => {
    const { links } = create(() => expect.unreachable(), false);
    await links.note();
    expect(await links.haveBroken()).toBe(false);
  });

  test("cannot be known without the right to ask: that is told once", async () => {
    const { links, logger } = create(() => {
      const cause = new Error("NOPERM this user has no permissions to run the 'cluster|links' command");
      throw backendUnavailable("the Redis user may not do this", cause);
    });
    await links.note();
    await links.note();
    expect(await links.haveBroken()).toBe(false);
    expect(logger.lines).toHaveLength(1);
  });

  test("a node that is away is told of", async () => {
    const { links } = create(() => {
      throw backendUnavailable("Redis is away");
    });
    await expect(links.note()).rejects.toMatchObject({ reason: "BACKEND_UNAVAILABLE" });
  });
});
