import { expect, inject, test } from "vitest";
import { atEnd, clientOf, startServerAlone } from "../client/support.js";
import { freePort } from "../support/free-port.js";
import { within } from "../support/wait.js";
import { LANGUAGES, startWorker } from "./program.js";
import { BACKENDS } from "./suite.js";

const missing = inject("missing");

for (const [language, why] of Object.entries(missing).filter(([, why]) => why !== "")) {
  test.skip(`NOT TESTED: the worker in ${language}: ${why}`);
}

// All languages on one server: what a restart costs is waited for once.
test("workers in every language go on over a kill of a server with a file: what ran is told, and new jobs are taken", async () => {
  const env = { ...(await BACKENDS["a file"]()), PORT: String(await freePort()) };
  const first = await startServerAlone(env);
  const before = clientOf(first.url);
  const workers = await Promise.all(
    Object.values(LANGUAGES)
      .filter(({ name }) => !missing[name])
      .map(async (language) => {
        const queue = language.name.toLowerCase();
        await before.queues.create(queue);
        const worker = await startWorker(language, [`--queue=${queue}`], first.url);
        const { job } = await before.create({ queue, type: "sleep", payload: 1000 });
        await worker.said(new RegExp(`^running ${job.id}`));
        return { language, queue, id: job.id };
      }),
  );
  await first.end("SIGKILL");
  const second = await startServerAlone(env);
  atEnd(() => second.end("SIGKILL"));
  const client = clientOf(second.url);
  for (const { language, queue, id } of workers) {
    const result = `slept in ${language.name}`;
    expect(await within(client.wait(id), `the end of the job in ${language.name}`)).toMatchObject({
      ...{ status: "DONE", result, retryCount: 0 },
    });
    const after = client.createAndWait({ queue, type: "echo", payload: 1 });
    expect(await within(after, "a new job")).toMatchObject({ status: "DONE", result: 1, deliveries: 1 });
  }
});
