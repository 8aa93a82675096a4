import { expect, test } from "vitest";
import { created, reading, refusal } from "../support/rpc.js";
import { startTestServer } from "../support/server.js";
import { signal } from "../support/signal.js";
import { GRPC } from "../support/transports.js";
import { within } from "../support/wait.js";

const STREAMS = 1000;
const CONNECTIONS = 4;

test("every one of 1,000 open streams is told that the server shuts down", async () => {
  const server = await startTestServer({ NUM_WORKERS: "0" });
  const id = await created(server, { type: "nobody" });
  const connections = Array.from({ length: CONNECTIONS }, () => server.connect(GRPC));
  const allOpen = signal();
  let open = 0;
  const ends = Array.from({ length: STREAMS }, async (_, index) => {
    const stream = reading((connections[index % CONNECTIONS] ?? server).jobs.watchJob({ id }));
    await stream.next();
    if (++open === STREAMS) allOpen.fire();
    await allOpen.fired;
    return (await refusal(stream.rest())).reason;
  });
  await within(allOpen.fired, "the first message of every stream");
  await within(server.stop(), "the end of the server");
  expect(new Set(await Promise.all(ends))).toEqual(new Set(["SERVER_DRAINING"]));
});
