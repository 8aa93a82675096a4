import type { Command } from "commander";
import type { NewSchedule, Schedule, ScheduleChanges, ScheduleTimes, TaskQueueClient } from "../../client/index.js";
import type { MisfirePolicy, OverlapPolicy } from "../../model/request/schedule.js";
import { UsageError } from "../command-error.js";
import type { Context, FormatOptions } from "../context.js";
import { addConnectionOptions } from "../options/connection.js";
import { addExamples, addFormatOptions } from "../options/format.js";
import { addJobOptions, type JobOptions, jobOf } from "../options/job.js";
import { printPages } from "../options/pages.js";
import {
  choice,
  countOrDefault,
  type DEFAULT,
  duration,
  moment,
  momentOrDefault,
  orNull,
  positive,
} from "../options/values.js";
import { jobRecord, scheduleRecord } from "../output/records.js";
import { scheduleTable, scheduleText } from "../output/schedule-text.js";
import { inLine } from "../output/style.js";
import { momentText } from "../output/times.js";
import { readPayload } from "../payload.js";

const OVERLAPS: readonly OverlapPolicy[] = ["ALLOW", "SKIP"];
const MISFIRES: readonly MisfirePolicy[] = ["RUN_ONCE", "SKIP", "RUN_ALL"];

interface NameOptions extends FormatOptions {
  readonly queue?: string;
}

interface TimesOptions {
  readonly cron?: string;
  readonly every?: number;
  readonly timeZone?: string;
  readonly startsAt?: number | typeof DEFAULT;
  readonly endsAt?: number | typeof DEFAULT;
  readonly maxRuns?: number | typeof DEFAULT;
}

interface PolicyOptions {
  readonly overlap?: OverlapPolicy;
  readonly misfire?: MisfirePolicy;
  readonly jitter?: number;
}

type UpdateOptions = NameOptions & TimesOptions & PolicyOptions & JobOptions;

type NewOptions = NameOptions & TimesOptions & PolicyOptions & JobOptions & { readonly paused?: boolean };

export function configureSchedules(command: Command, context: Context): void {
  configureList(command.command("list").description("list schedules, and when each makes its next job"), context);
  configureOne(command, context, "get", "show a schedule", (client, name) => client.schedules.get(name));
  configureCreate(command.command("create").description("create a schedule"), context);
  configureUpdate(command.command("update").description("change a schedule"), context);
  configureOne(command, context, "pause", "make no more jobs", (client, name) => client.schedules.pause(name));
  configureOne(command, context, "resume", "go on with the next time", (client, name) => client.schedules.resume(name));
  configureTrigger(named(command, "trigger", "make its job now, whatever its state"), context);
  configureDelete(named(command, "delete", "delete a schedule; jobs that it made stay"), context);
  configurePreview(command.command("preview").description("tell the times that a schedule would have"), context);
  addExamples(command, [
    [
      `gotaskq schedules create digest --cron '0 7 * * 1-5' --time-zone Europe/Berlin -q mail send-digest '{"kind":"daily"}'`,
      "a job each working day",
    ],
    ["gotaskq schedules list", "all of them, and why one makes no jobs"],
    ["gotaskq schedules preview --cron '30 2 * * *' --time-zone Europe/Berlin", "its next times; changes nothing"],
  ]);
}

function named(command: Command, name: string, what: string): Command {
  return command
    .command(name)
    .description(what)
    .argument("<schedule>", "its name in the queue")
    .option("-q, --queue <queue>", "its queue (default)");
}

function configureOne(
  command: Command,
  context: Context,
  name: string,
  what: string,
  call: (
    client: TaskQueueClient,
    name: { readonly queue?: string | undefined; readonly name: string },
  ) => Promise<Schedule>,
): void {
  const sub = named(command, name, what);
  addFormatOptions(sub);
  addConnectionOptions(sub);
  addExamples(sub, [[`gotaskq schedules ${name} digest -q mail`, what]]);
  sub.action(async (schedule: string, options: NameOptions) => {
    await print(context, options, await call(await context.connect(sub), { queue: options.queue, name: schedule }));
  });
}

function configureList(command: Command, context: Context): void {
  command.option("-q, --queue <queue>", "of this queue").option("-n, --limit <count>", "how many", positive);
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq schedules list --json | jq -r 'select(.state != \"ACTIVE\").name'", "those that make no jobs"],
  ]);
  command.action(async (options: NameOptions & { readonly limit?: number }) => {
    const client = await context.connect(command);
    await printPages(
      context,
      { ...options, all: options.limit === undefined },
      {
        read: ({ pageSize, pageToken }) => client.schedules.list({ queue: options.queue, pageSize, pageToken }).page(),
        record: scheduleRecord,
        table: (schedules) => scheduleTable(schedules, { style: context.style, width: context.width, now: Date.now() }),
        none: "no schedules",
      },
    );
  });
}

function configureCreate(command: Command, context: Context): void {
  command
    .argument("<name>", "its name in the queue")
    .argument("<type>", "the type of its jobs")
    .argument("[payload]", "their payload: JSON, @file, or - for stdin")
    .option("-q, --queue <queue>", "its queue (default)")
    .option("--paused", "it begins paused");
  addTimes(command);
  addPolicies(command);
  addJobOptions(command.optionsGroup("Its jobs:"));
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    [
      `gotaskq schedules create digest send-digest '{"kind":"daily"}' --cron '0 7 * * *' --time-zone Europe/Berlin`,
      "each morning",
    ],
    ["gotaskq schedules create poll fetch --every 90s --overlap SKIP", "unless the last one is not finished"],
  ]);
  command.action(async (name: string, type: string, payload: string | undefined, options: NewOptions) => {
    requireTimes(options);
    const content = await readPayload(payload, false, context.io);
    const schedule: NewSchedule = {
      ...timesOf(options),
      ...policiesOf(options),
      queue: options.queue,
      name,
      paused: options.paused,
      job: { ...ofSchedule(options), type, payload: content },
    };
    await print(context, options, await (await context.connect(command)).schedules.create(schedule));
  });
}

function configureUpdate(command: Command, context: Context): void {
  command
    .argument("<schedule>", "its name in the queue")
    .argument("[type]", "other jobs from now on: their type,")
    .argument("[payload]", "and payload: JSON, @file, or - for stdin")
    .option("-q, --queue <queue>", "its queue (default)");
  addTimes(command);
  addPolicies(command);
  addJobOptions(command.optionsGroup("Its jobs, with a type, as they are then in all:"));
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq schedules update digest --cron '0 8 * * *'", "what is not given stays as it is"],
    ["gotaskq schedules update digest --ends-at default --max-runs default", "it never ends"],
    [`gotaskq schedules update digest send-digest '{"kind":"weekly"}' --priority 3`, "its jobs are these from now on"],
  ]);
  command.action(
    async (name: string, type: string | undefined, payload: string | undefined, options: UpdateOptions) => {
      const job = ofSchedule(options);
      if (type === undefined && Object.values(job).some((value) => value !== undefined)) {
        throw new UsageError("options of its jobs need their type: they are given in all, as `schedules create` does");
      }
      const content = await readPayload(payload, false, context.io);
      const changes: ScheduleChanges = {
        ...changedTimesOf(options),
        ...policiesOf(options),
        job: type === undefined ? undefined : { ...job, type, payload: content },
      };
      if (Object.values(changes).every((value) => value === undefined)) {
        throw new UsageError("say what is to change, as in --cron '0 8 * * *'");
      }
      const client = await context.connect(command);
      await print(context, options, await client.schedules.update({ queue: options.queue, name }, changes));
    },
  );
}

function configureTrigger(command: Command, context: Context): void {
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [["gotaskq schedules trigger digest -q mail", "tells the id of the job"]]);
  command.action(async (name: string, options: NameOptions) => {
    const job = await (await context.connect(command)).schedules.trigger({ queue: options.queue, name });
    if (context.isForPeople(options)) await context.print(`${inLine(job.id)} created\n`);
    else await context.printRecord(jobRecord(job));
  });
}

function configureDelete(command: Command, context: Context): void {
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [["gotaskq schedules delete digest -q mail", "it makes no more jobs"]]);
  command.action(async (name: string, options: NameOptions) => {
    await (await context.connect(command)).schedules.delete({ queue: options.queue, name });
    if (context.isForPeople(options)) await context.print(`${inLine(name)} is deleted\n`);
    else await context.printRecord({ queue: options.queue ?? "default", name, deleted: true });
  });
}

function configurePreview(command: Command, context: Context): void {
  addTimes(command);
  command
    .option("-n, --limit <count>", "how many times (5)", positive)
    .option("--after <time>", "from then on", moment);
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq schedules preview --cron '@daily' --time-zone Asia/Tokyo -n 3", "in UTC with --json"],
  ]);
  command.action(
    async (options: TimesOptions & FormatOptions & { readonly limit?: number; readonly after?: number }) => {
      requireTimes(options);
      const client = await context.connect(command);
      const { limit, after } = options;
      const times = await client.schedules.preview(timesOf(options), {
        ...(limit !== undefined && { count: limit }),
        ...(after !== undefined && { after }),
      });
      for (const at of times) {
        if (context.isForPeople(options)) await context.print(`${momentText(at, Date.now())}\n`);
        else await context.printRecord({ at: new Date(at).toISOString() });
      }
    },
  );
}

function addTimes(command: Command): Command {
  return command
    .optionsGroup("When (`default`: as if it had not been said):")
    .option("--cron <expression>", "five fields, six with seconds before them, or a nickname like @daily")
    .option("--every <duration>", "or at even intervals, from 1s", duration)
    .option("--time-zone <name>", "in which --cron is meant, like Europe/Berlin (UTC)")
    .option("--starts-at <time>", "no time before this", momentOrDefault)
    .option("--ends-at <time>", "no time at or after this", momentOrDefault)
    .option("--max-runs <count>", "end after so many jobs", countOrDefault);
}

function addPolicies(command: Command): Command {
  return command
    .option(
      "--overlap <policy>",
      `while the last job is not finished: ${OVERLAPS.join(" (default), ")}`,
      choice(OVERLAPS),
    )
    .option("--misfire <policy>", `for times that were missed: ${MISFIRES.join(", ")}`, choice(MISFIRES))
    .option("--jitter <duration>", "each job up to so much later, by chance", duration);
}

function requireTimes({ cron, every }: TimesOptions): void {
  if ((cron === undefined) === (every === undefined)) throw new UsageError("give --cron or --every, one of them");
}

/** The times of a new schedule. */
function timesOf(options: TimesOptions): ScheduleTimes {
  const changes = changedTimesOf(options);
  return Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, value ?? undefined]));
}

/** What is to change of the times of one; null: back to the default. */
function changedTimesOf({ cron, every, timeZone, startsAt, endsAt, maxRuns }: TimesOptions): ScheduleChanges {
  return {
    cron,
    everyMs: every,
    timeZone: orNull(timeZone),
    startsAt: orNull(startsAt),
    endsAt: orNull(endsAt),
    maxRuns: orNull(maxRuns),
  };
}

function policiesOf({ overlap, misfire, jitter }: PolicyOptions) {
  return { overlap, misfire, jitterMs: jitter };
}

function ofSchedule(options: JobOptions) {
  const {
    queue: _queue,
    delayMs: _delay,
    runAfter: _after,
    expiresAt: _at,
    requestId: _id,
    traceContext: _trace,
    ...job
  } = jobOf(options);
  return job;
}

async function print(context: Context, options: FormatOptions, schedule: Schedule): Promise<void> {
  if (context.isForPeople(options)) await context.print(scheduleText(schedule, context.style, Date.now()));
  else await context.printRecord(scheduleRecord(schedule));
}
