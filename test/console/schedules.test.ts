import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { beforeAll, expect, test } from "vitest";
import { PayloadFormat } from "../../gen/gotaskq/v1/job_pb.js";
import { payload, present } from "../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../support/server.js";
import { openConsole } from "./support/browser.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0" });
});

async function read(queue: string, name: string) {
  return present((await server.schedules.getSchedule({ queue, name })).schedule);
}

test("a schedule is created with a preview of its times, run, paused, changed and deleted", async () => {
  const queue = await newQueue(server, "console");
  const page = await openConsole(server.url, `/schedules?queue=${queue}`);
  await page.getByText("There are no schedules here.").waitFor();
  await page.getByRole("button", { name: "New schedule" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("When").fill("0 0 30 2 *");
  await dialog.getByText("never runs: no day is what it asks for").waitFor();
  await dialog.getByLabel("When").fill("0 12 29 2 *");
  await dialog.getByLabel("Time zone").fill("Asia/Tokyo");
  await dialog.getByText("Next times, in Asia/Tokyo:").waitFor();
  await dialog
    .getByText(/29 Feb 20\d\d, 12:00:00/)
    .first()
    .waitFor();
  expect(await dialog.getByRole("listitem").count()).toBe(5);
  await dialog.getByLabel("Name").fill("Leap!");
  await dialog.getByLabel("Type").fill("report");
  await dialog.getByLabel("Payload (JSON)").fill('{"n":1}');
  await dialog.getByRole("button", { name: "Create the schedule" }).click();
  await dialog.getByText("beginning and ending with a letter or digit").waitFor();
  await dialog.getByLabel("Name").fill("leap");
  await dialog.getByRole("button", { name: "Create the schedule" }).click();
  const row = page.getByRole("row", { name: "leap" });
  await row.getByText("0 12 29 2 *, Asia/Tokyo").waitFor();

  await row.getByRole("button", { name: "Run leap now" }).click();
  await row.getByRole("link", { name: "Last job of leap" }).click();
  await page.getByRole("heading", { name: `Job ${(await read(queue, "leap")).lastJobId}` }).waitFor();
  await page.getByText("Scheduled for", { exact: true }).waitFor();
  await page.getByRole("link", { name: "leap" }).click();

  await row.getByRole("button", { name: "Pause leap" }).click();
  await row.getByText("It makes no jobs until it is resumed.").waitFor();
  await row.getByRole("button", { name: "Resume leap" }).click();
  await row.getByRole("button", { name: "Pause leap" }).waitFor();

  await row.getByRole("button", { name: "Edit leap" }).click();
  await dialog.getByLabel("When").fill("90m");
  await dialog.getByRole("button", { name: "Change the schedule" }).click();
  await row.getByText("every 1 h 30 min").waitFor();

  await row.getByRole("button", { name: "Delete leap" }).click();
  await dialog.getByRole("button", { name: "Delete the schedule" }).click();
  await page.getByText("There are no schedules here.").waitFor();
});

test("a change keeps what the form does not show", async () => {
  const queue = await newQueue(server, "kept");
  const job = { type: "report", payloadKind: payload([1]), metadata: { a: "b" }, key: "k", ttl: durationFromMs(5000) };
  const spec = { case: "cron", value: "@daily" } as const;
  const endsAt = { seconds: 4_000_000_000n, nanos: 0 };
  await server.schedules.createSchedule({ schedule: { queue, name: "nightly", spec, job, maxRuns: 5, endsAt } });
  const page = await openConsole(server.url, `/schedules?queue=${queue}`);
  await page.getByRole("button", { name: "Edit nightly" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Type").fill("other");
  await dialog.getByRole("button", { name: "Change the schedule" }).click();
  await dialog.waitFor({ state: "detached" });
  const changed = await read(queue, "nightly");
  expect(changed).toMatchObject({ spec, timeZone: "UTC", maxRuns: 5, endsAt, revision: 2 });
  expect(changed.job).toMatchObject({ type: "other", metadata: { a: "b" }, key: "k", ttl: durationFromMs(5000) });
});

test("a change keeps the payload to the letter, unless it is changed itself", async () => {
  const queue = await newQueue(server, "letters");
  const text = '{"id":  12345678901234567890,\n"rate": 1.50}';
  const job = { type: "report", payloadKind: { case: "payloadJson", value: text } as const };
  const spec = { case: "cron", value: "@daily" } as const;
  await server.schedules.createSchedule({ schedule: { queue, name: "exact", spec, job } });
  const payloadOf = async () => {
    const asked = { queue, name: "exact", payloadFormat: PayloadFormat.TEXT };
    return (await server.schedules.getSchedule(asked)).schedule?.job?.payloadKind.value;
  };
  const page = await openConsole(server.url, `/schedules?queue=${queue}`);
  const dialog = page.getByRole("dialog");
  const change = async (label: string, value: string) => {
    await page.getByRole("button", { name: "Edit exact" }).click();
    await dialog.getByLabel(label).fill(value);
    await dialog.getByRole("button", { name: "Change the schedule" }).click();
    await dialog.waitFor({ state: "detached" });
  };
  await change("Type", "other");
  expect(await payloadOf()).toBe(text);
  await change("Payload (JSON)", '{"id": 12345678901234567891 }');
  expect(await payloadOf()).toBe('{"id": 12345678901234567891 }');
});
