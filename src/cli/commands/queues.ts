import type { Command } from "commander";
import type { Queue, QueueSettingsRequest, TaskQueueClient } from "../../client/index.js";
import { QUEUE_ORDERINGS, type QueueOrdering } from "../../model/queue/queue.js";
import type { RateLimitRequest } from "../../model/queue/rate-limit.js";
import { UsageError } from "../command-error.js";
import type { Context, FormatOptions } from "../context.js";
import { addConnectionOptions } from "../options/connection.js";
import { addExamples, addFormatOptions } from "../options/format.js";
import { toBackoff } from "../options/job.js";
import { parseRate } from "../options/rate.js";
import {
  choice,
  count,
  countOrDefault,
  DEFAULT,
  decimal,
  duration,
  durationOrDefault,
  durationsOrDefault,
  orNull,
} from "../options/values.js";
import { queueTable, queueText } from "../output/queue-text.js";
import { queueRecord } from "../output/records.js";

/** Settings, by the option that sets each. */
interface SettingOptions {
  readonly ordering?: QueueOrdering;
  readonly weight?: number;
  readonly maxConcurrency?: number;
  readonly maxConcurrencyPerKey?: number;
  readonly rate?: RateLimitRequest | typeof DEFAULT;
  readonly maxDepth?: number;
  readonly completedTtl?: number | typeof DEFAULT;
  readonly maxCompleted?: number | typeof DEFAULT;
  readonly deadTtl?: number | typeof DEFAULT;
  readonly maxDead?: number | typeof DEFAULT;
  readonly defaultMaxRetries?: number | typeof DEFAULT;
  readonly defaultBackoff?: readonly number[] | typeof DEFAULT;
  readonly defaultBackoffBase?: number;
  readonly defaultBackoffMax?: number;
  readonly defaultBackoffMultiplier?: number;
  readonly defaultTimeout?: number | typeof DEFAULT;
  readonly defaultTtl?: number | typeof DEFAULT;
}

interface SureOptions extends FormatOptions {
  readonly yes?: boolean;
  readonly force?: boolean;
}

export function configureQueues(command: Command, context: Context): void {
  const sub = (name: string, what: string, ...args: string[]) => {
    const each = command.command(name).description(what);
    for (const argument of args) each.argument(argument);
    return each;
  };
  /** A command that answers a queue as it is then. */
  const one = (each: Command, call: (client: TaskQueueClient, name: string) => Promise<Queue>) => {
    addFormatOptions(each);
    addConnectionOptions(each);
    each.action(async (name: string, options: FormatOptions) => {
      await print(context, options, await call(await context.connect(each), name));
    });
    return each;
  };

  configureList(sub("list", "list all queues with their figures"), context);
  addExamples(
    one(sub("get", "show a queue, its figures and its settings", "<queue>"), (client, name) => client.queues.get(name)),
    [["gotaskq queues get mail", "everything about a queue"]],
  );
  configureCreate(sub("create", "create a queue", "<name>"), context);
  configureUpdate(sub("update", "change settings of a queue", "<queue>"), context);
  addExamples(
    one(sub("pause", "let no more jobs of a queue begin", "<queue>"), (client, name) => client.queues.pause(name)),
    [["gotaskq queues pause mail", "jobs that run go on; new ones are taken, and wait"]],
  );
  addExamples(
    one(sub("resume", "end a pause", "<queue>"), (client, name) => client.queues.resume(name)),
    [["gotaskq queues resume mail", "its jobs run again"]],
  );
  configurePurge(sub("purge", "delete all waiting jobs of a queue", "<queue>"), context);
  configureDelete(sub("delete", "delete a queue", "<queue>"), context);
  addExamples(command, [
    ["gotaskq queues list", "all of them, with their figures"],
    ["gotaskq queues create mail --max-concurrency 5 --rate 100/1m", "with limits"],
    ["gotaskq queues pause mail", "until `gotaskq queues resume mail`"],
  ]);
}

function configureList(command: Command, context: Context): void {
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq queues list", "a table"],
    ["gotaskq queues list --json | jq -r 'select(.stats.dead > 0).name'", "those with dead jobs"],
  ]);
  command.action(async (options: FormatOptions) => {
    const queues = await (await context.connect(command)).queues.list();
    if (context.isForPeople(options)) await context.print(queueTable(queues, context));
    else for (const queue of queues) await context.printRecord(queueRecord(queue));
  });
}

function configureCreate(command: Command, context: Context): void {
  command.option("--if-missing", "no failure when there is one of this name; its settings stay as they are");
  addSettingOptions(command);
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq queues create mail", "with the settings of the server"],
    ["gotaskq queues create mail --max-concurrency 5 --rate 100/1m --dead-ttl 14d", "with its own"],
  ]);
  command.action(async (name: string, options: SettingOptions & FormatOptions & { ifMissing?: boolean }) => {
    const client = await context.connect(command);
    const queue = await client.queues.create(name, settingsOf(options)).catch((error: { reason?: string }) => {
      if (options.ifMissing === true && error.reason === "QUEUE_EXISTS") return client.queues.get(name);
      throw error;
    });
    await print(context, options, queue);
  });
}

function configureUpdate(command: Command, context: Context): void {
  addSettingOptions(command);
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq queues update mail --max-depth 100000", "other settings stay as they are"],
    ["gotaskq queues update mail --rate none --dead-ttl default", "back to no limit, and to the server's default"],
  ]);
  command.action(async (name: string, options: SettingOptions & FormatOptions) => {
    const settings = settingsOf(options);
    if (Object.values(settings).every((value) => value === undefined)) {
      throw new UsageError("say which settings are to change, as in --max-depth 100000");
    }
    await print(context, options, await (await context.connect(command)).queues.update(name, settings));
  });
}

function configurePurge(command: Command, context: Context): void {
  command.option("-y, --yes", "do not ask");
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [["gotaskq queues purge mail --yes", "its waiting jobs are gone; running and dead ones stay"]]);
  command.action(async (name: string, options: SureOptions) => {
    const client = await context.connect(command);
    if (!(await context.confirm(`delete all waiting jobs of the queue "${name}"?`, options.yes)))
      return unchanged(context);
    const count = await client.queues.purge(name);
    if (context.isForPeople(options)) await context.print(`deleted ${count} waiting jobs of ${name}\n`);
    else await context.printRecord({ queue: name, count });
  });
}

function configureDelete(command: Command, context: Context): void {
  command.option("--force", "its jobs too").option("-y, --yes", "do not ask about --force");
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq queues delete mail", "where it is empty"],
    ["gotaskq queues delete mail --force --yes", "with all that is in it"],
  ]);
  command.action(async (name: string, options: SureOptions) => {
    const client = await context.connect(command);
    const question = `delete the queue "${name}" with all of its jobs?`;
    if (options.force === true && !(await context.confirm(question, options.yes))) return unchanged(context);
    await client.queues.delete(name, { force: options.force === true });
    if (context.isForPeople(options)) await context.print(`${name} is deleted\n`);
    else await context.printRecord({ queue: name, deleted: true });
  });
}

function unchanged(context: Context): void {
  context.tell("nothing was changed");
  context.exitCode = 1;
}

async function print(context: Context, options: FormatOptions, queue: Queue): Promise<void> {
  if (context.isForPeople(options)) await context.print(queueText(queue, context.style, Date.now()));
  else await context.printRecord(queueRecord(queue));
}

function addSettingOptions(command: Command): Command {
  return command
    .optionsGroup("Settings (`default`: as the server says):")
    .option("--ordering <order>", `${QUEUE_ORDERINGS.join(", ")}`, choice(QUEUE_ORDERINGS))
    .option("--weight <number>", "its share, or rank, among the queues of a server", count)
    .option("--max-concurrency <count>", "jobs that run at once; 0: no limit", count)
    .option("--max-concurrency-per-key <count>", "and of each key", count)
    .option("--rate <count/time>", "how many begin in a time, like 100/1m, or none", parseRate)
    .option("--max-depth <count>", "jobs that may wait; 0: no limit", count)
    .option("--completed-ttl <duration>", "how long finished jobs are kept", durationOrDefault)
    .option("--max-completed <count>", "and how many of them", countOrDefault)
    .option("--dead-ttl <duration>", "how long dead jobs are kept", durationOrDefault)
    .option("--max-dead <count>", "and how many of them", countOrDefault)
    .option("--default-max-retries <count>", "of jobs that do not say", countOrDefault)
    .option("--default-backoff <durations>", "waits before their retries, like 1s,10s,1m", durationsOrDefault)
    .option("--default-backoff-base <duration>", "or the first of them", duration)
    .option("--default-backoff-max <duration>", "the longest", duration)
    .option("--default-backoff-multiplier <number>", "and by how much each is longer", decimal)
    .option("--default-timeout <duration>", "of jobs that do not say", durationOrDefault)
    .option("--default-ttl <duration>", "of jobs that do not say", durationOrDefault);
}

function defaultBackoffOf({
  defaultBackoff,
  defaultBackoffBase,
  defaultBackoffMax,
  defaultBackoffMultiplier,
}: SettingOptions): QueueSettingsRequest["defaultBackoff"] {
  if (defaultBackoff === DEFAULT) return null;
  return toBackoff("--default-backoff", defaultBackoff, {
    baseDelayMs: defaultBackoffBase,
    maxDelayMs: defaultBackoffMax,
    multiplier: defaultBackoffMultiplier,
  });
}

function settingsOf(options: SettingOptions): QueueSettingsRequest {
  return {
    ordering: options.ordering,
    weight: options.weight,
    maxConcurrency: options.maxConcurrency,
    maxConcurrencyPerKey: options.maxConcurrencyPerKey,
    rateLimit: orNull(options.rate),
    maxDepth: options.maxDepth,
    completedTtlMs: orNull(options.completedTtl),
    maxCompleted: orNull(options.maxCompleted),
    deadTtlMs: orNull(options.deadTtl),
    maxDead: orNull(options.maxDead),
    defaultMaxRetries: orNull(options.defaultMaxRetries),
    defaultBackoff: defaultBackoffOf(options),
    defaultTimeoutMs: orNull(options.defaultTimeout),
    defaultTtlMs: orNull(options.defaultTtl),
  };
}
