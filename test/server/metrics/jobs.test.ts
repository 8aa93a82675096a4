import { expect, test } from "vitest";
import { createJobMetrics, GONE_MS } from "../../../src/server/metrics/jobs.js";
import { createMeter } from "../../../src/server/metrics/meter.js";
import { readExposition } from "../../support/exposition.js";

function fixture() {
  const meter = createMeter();
  const jobs = createJobMetrics(meter, ["known"]);
  async function series(name: string) {
    const { series, problems } = readExposition(await meter.write());
    expect(problems).toEqual([]);
    return series.filter((each) => each.name === name);
  }
  return { meter, jobs, ...jobs, series };
}

/** Does everything that makes series of a queue and type. */
function busy({ observer }: ReturnType<typeof fixture>, queue: string, type: string): void {
  observer.enqueued(queue, type, 2);
  observer.leased(queue, type, 5, true);
  observer.settled("complete", queue, type, "DONE", 5);
  observer.settled("fail", queue, type, "PENDING", 5, "timeout");
  observer.settled("fail", queue, type, "DEAD", 5, "permanent");
  observer.leaseLost(queue, type, "DEAD");
  observer.scheduleFired(queue, type, 2);
  observer.scheduleSkipped(queue, type, "OVERLAP");
}

test("series of a deleted queue go a while after it, whatever they count, and begin anew with a queue of its name", async () => {
  const made = fixture();
  busy(made, "mail", "work");
  busy(made, "kept", "work");
  const before = await made.meter.write();
  for (const now of [0, GONE_MS - 1]) made.forget(new Set(["kept"]), now);
  expect(await made.meter.write()).toBe(before);
  made.forget(new Set(["kept"]), GONE_MS);
  expect(await made.meter.write()).not.toContain('"mail"');
  expect(await made.meter.write()).toContain('"kept"');
  busy(made, "mail", "work");
  expect((await made.series("gotaskq_jobs_enqueued_total")).map(({ labels, value }) => [labels.queue, value])).toEqual([
    ["kept", 2],
    ["mail", 2],
  ]);
});

test("a queue that comes back in time keeps its series", async () => {
  const made = fixture();
  busy(made, "mail", "work");
  made.forget(new Set(), 0);
  made.forget(new Set(["mail"]), 1000);
  made.forget(new Set(), GONE_MS);
  made.forget(new Set(), GONE_MS + 1000);
  expect(await made.series("gotaskq_jobs_enqueued_total")).toHaveLength(1);
  made.forget(new Set(), 2 * GONE_MS);
  expect(await made.series("gotaskq_jobs_enqueued_total")).toHaveLength(0);
});

test("deleted queues make room for others, and what counted as other stays", async () => {
  const made = fixture();
  for (let count = 0; count < 500; count++) made.observer.enqueued("old", `type-${count}`, 1);
  made.observer.enqueued("new", "work", 1);
  made.observer.enqueued("new", "known", 1);
  const labels = async () =>
    (await made.series("gotaskq_jobs_enqueued_total"))
      .filter((each) => each.labels.queue !== "old")
      .map((each) => [each.labels.queue, each.labels.type, each.value]);
  const before = [
    ["other", "other", 1],
    ["new", "known", 1],
  ];
  expect(await labels()).toEqual(before);
  for (const now of [0, GONE_MS]) made.forget(new Set(["new"]), now);
  made.observer.enqueued("new", "work", 3);
  expect(await labels()).toEqual([...before, ["new", "work", 3]]);
  expect((await made.series("gotaskq_jobs_enqueued_total")).every((each) => each.labels.queue !== "old")).toBe(true);
});

test("a failure that acknowledges a cancel is none", async () => {
  const made = fixture();
  made.observer.settled("fail", "default", "work", "CANCELED", 5, "error");
  made.observer.leaseLost("default", "work", "CANCELED");
  expect(await made.series("gotaskq_job_failures_total")).toEqual([]);
});

test("schedules are counted by what their times made", async () => {
  const made = fixture();
  busy(made, "mail", "work");
  made.observer.scheduleSkipped("mail", "work", "MISFIRE");
  const labels = { queue: "mail", type: "work" };
  expect(await made.series("gotaskq_schedules_fired_total")).toMatchObject([{ labels, value: 2 }]);
  expect(await made.series("gotaskq_schedules_skipped_total")).toMatchObject([
    { labels: { ...labels, reason: "overlap" }, value: 1 },
    { labels: { ...labels, reason: "misfire" }, value: 1 },
  ]);
});
