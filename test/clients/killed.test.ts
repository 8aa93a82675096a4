import { beforeAll, describe, expect, inject, test } from "vitest";
import { atEnd, clientOf, startServerAlone } from "../client/support.js";
import { LANGUAGES, type Language, startWorker } from "./program.js";
import { BACKENDS } from "./suite.js";

/** How long the server keeps the jobs of a worker that is gone, and how long others may then take to get them, ms. */
const GRACE_MS = 10_000;
const MARGIN_MS = 4000;

const missing = inject("missing");
const languages: readonly Language[] = Object.values(LANGUAGES).filter(({ name }) => !missing[name]);

// All languages at the same time, as each takes as long as the grace period of a stream.
describe.each(Object.keys(BACKENDS) as (keyof typeof BACKENDS)[])(
  "a worker that is killed in mid-job, on %s",
  (name) => {
    let env: Readonly<Record<string, string>>;

    beforeAll(async () => {
      env = await BACKENDS[name]();
    });

    for (const [language, why] of Object.entries(missing).filter(([, why]) => why !== "")) {
      test.skip(`NOT TESTED: the worker in ${language}: ${why}`);
    }

    test(`has its job run elsewhere after the grace, with no retry used (${languages.map((each) => each.name).join(", ")})`, async () => {
      const server = await startServerAlone(env);
      const client = clientOf(server.url);
      atEnd(() => server.end("SIGKILL"));
      const killed = await Promise.all(
        languages.map(async (language) => {
          const queue = language.name.toLowerCase();
          await client.queues.create(queue);
          const first = await startWorker(language, [`--queue=${queue}`], server.url);
          const { job } = await client.create({ queue, type: "sleep", payload: 600_000 });
          const running = new RegExp(`^running ${job.id}`);
          await first.said(running);
          const second = await startWorker(language, [`--queue=${queue}`], server.url);
          return { first, second, running, id: job.id };
        }),
      );
      for (const { first } of killed) first.child.kill("SIGKILL");
      await Promise.all(killed.map(({ second, running }) => second.said(running, GRACE_MS + MARGIN_MS)));
      for (const { id } of killed) {
        const { status, deliveries, retryCount, lostLeases } = await client.get(id);
        expect({ status, deliveries, retryCount, lostLeases }).toEqual({
          ...{ status: "RUNNING", deliveries: 2, retryCount: 0, lostLeases: 1 },
        });
      }
    });
  },
);
