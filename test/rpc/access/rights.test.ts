import { readFileSync } from "node:fs";
import { create, type DescField, type DescMessage, type DescMethod } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, test } from "vitest";
import { DlqService } from "../../../gen/gotaskq/v1/dlq_service_pb.js";
import { JobService } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { QueueService } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { ScheduleService } from "../../../gen/gotaskq/v1/schedule_service_pb.js";
import { ServerService } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { WorkerService } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { Health } from "../../../gen/health/v1/health_pb.js";
import { type Need, RIGHTS } from "../../../src/access/rights.js";
import { SCOPES } from "../../../src/access/scopes.js";
import { isOfAccess, PROTOCOLS, refusalOf, transportAs } from "../../support/access.js";
import { startTestServer, type TestServer } from "../../support/server.js";

const OURS = [JobService, QueueService, DlqService, ScheduleService, WorkerService, ServerService];
const ALL = [...OURS, Health, ServerReflection, ServerReflectionAlpha];
const METHODS: readonly DescMethod[] = ALL.flatMap(({ methods }) => methods);
const nameOf = (method: DescMethod) => `${method.parent.typeName}/${method.name}`;

/** A token for each scope, and one for all in some queues only. */
const tokenOf = (name: string) => `token-of-${name}-0123456789`;
const TOKENS = [
  ...SCOPES.map((scope) => `name=${scope} token=${tokenOf(scope)} scopes=${scope}`),
  `name=mail token=${tokenOf("mail")} scopes=admin queues=mail,b*`,
  `name=ended token=${tokenOf("ended")} scopes=admin ends_at=2026-01-01`,
].join(";");

const PATHS = [
  ["the fast path", true],
  ["the connect path", false],
] as const;

describe("the table of rights", () => {
  test("has a row for each RPC of this server, and no other", () => {
    expect([...RIGHTS.keys()].sort()).toEqual(METHODS.map(nameOf).sort());
    for (const [name, right] of RIGHTS) expect(right?.need, name).toBeTypeOf("string");
  });

  test("is that of the README", () => {
    const readme = readFileSync(new URL("../../../src/server/README.md", import.meta.url), "utf8");
    const rows = [...readme.matchAll(/^\| `([\w./]+\/\w+)` \| ([^|]+) \| ([^|]+) \|$/gm)].map(
      ([, name, need, about]) => [name, need, about],
    );
    const told: Partial<Record<Need, string>> = {
      open: "nothing",
      token: "any token",
      reflection: "nothing, or any token with `AUTH_REFLECTION=token`",
    };
    expect(rows).toEqual(
      [...RIGHTS].map(([name, { need, about }]) => [
        name.replace(/^gotaskq\.v1\./, ""),
        told[need] ?? `\`${need}\``,
        about,
      ]),
    );
  });

  test("lets a token that only reads change nothing, and one that produces or works read nothing", () => {
    const needOf = (method: DescMethod) => RIGHTS.get(nameOf(method))?.need;
    const NO_SIDE_EFFECTS = 1;
    for (const method of OURS.flatMap(({ methods }) => methods)) {
      const reads = method.idempotency === NO_SIDE_EFFECTS || /^Watch/.test(method.name);
      expect([nameOf(method), ["read", "token"].includes(needOf(method) ?? "")]).toEqual([nameOf(method), reads]);
    }
  });
});

describe.each(PATHS)("every RPC, on %s", (_, isFastPathOn) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer(
      { AUTH_TOKENS: TOKENS, AUTH_REFLECTION: "token", QUEUES: "mail,other" },
      { isFastPathOn },
    );
  });

  test.each([undefined, "wrong-token-0123456789", tokenOf("ended")])(
    "with the token %s is refused, but for health",
    async (token) => {
      const transport = transportAs(server.url, token);
      for (const method of METHODS) {
        const refusal = await refusalOf(transport, method, {});
        const outcome = refusal && `${refusal.code} ${refusal.reason}`;
        const isOpen = method.parent === Health;
        expect([nameOf(method), isOpen ? isOfAccess(refusal) : outcome]).toEqual([
          nameOf(method),
          isOpen ? false : "UNAUTHENTICATED TOKEN_INVALID",
        ]);
      }
    },
  );

  test.each(SCOPES)("with the scope %s is let in or refused by the table", async (scope) => {
    const transport = transportAs(server.url, tokenOf(scope));
    for (const method of METHODS) {
      const { need = "admin" } = RIGHTS.get(nameOf(method)) ?? {};
      const isAllowed = scope === "admin" || need === scope || !SCOPES.includes(need as never);
      // Without a body that is valid, so that nothing is changed: who calls is decided before that is looked at.
      const refusal = await refusalOf(transport, method, {});
      expect([nameOf(method), isOfAccess(refusal)]).toEqual([nameOf(method), !isAllowed]);
      if (!isAllowed) {
        expect(refusal).toMatchObject({ reason: "SCOPE_MISSING", metadata: { scope: need, caller: scope } });
      }
    }
  });

  test("is refused for a queue that is not the token's, in every field that names one", async () => {
    const transport = transportAs(server.url, tokenOf("mail"));
    const named: string[] = [];
    for (const method of OURS.flatMap(({ methods }) => methods)) {
      for (const [path, message] of messagesNaming(method.input, "other", "1@other")) {
        named.push(`${method.name} ${path}`);
        const input = create(method.input, message);
        const refusal = await refusalOf(transport, method, input);
        // Where items are decided each for itself, those in another queue are refused in the answer: job-batches.test.ts.
        const isEach = RIGHTS.get(nameOf(method))?.each?.queues(input) !== undefined;
        expect([`${method.name} ${path}`, refusal?.reason, refusal?.metadata.queue]).toEqual([
          `${method.name} ${path}`,
          ...(isEach ? [undefined, undefined] : ["SCOPE_MISSING", "other"]),
        ]);
      }
      for (const [path, message] of messagesNaming(method.input, "mail", "1@mail")) {
        const refusal = await refusalOf(transport, method, create(method.input, message));
        expect([`${method.name} ${path}`, isOfAccess(refusal)]).toEqual([`${method.name} ${path}`, false]);
      }
    }
    // What the walk must have found, among others.
    for (const each of ["BatchCreateJobs requests.queue", "CompleteJobs completions.jobId", "UpdateQueue queue.name"]) {
      expect(named).toContain(each);
    }
    expect(named.length).toBeGreaterThan(40);
  });

  test("takes a job without a queue for one of the queue default", async () => {
    const transport = transportAs(server.url, tokenOf("mail"));
    const { createJob, batchCreateJobs, getJob } = JobService.method;
    for (const [method, message] of [
      [createJob, { type: "x" }],
      [batchCreateJobs, { requests: [create(createJob.input, { type: "x" })] }],
      [getJob, { id: "1" }],
    ] as const) {
      const refusal = await refusalOf(transport, method, create(method.input as DescMessage, message));
      expect(refusal?.metadata.queue).toBe("default");
    }
    expect((await refusalOf(transport, getJob, { id: "1", queue: "mail" }))?.reason).toBe("JOB_NOT_FOUND");
    expect((await refusalOf(transport, getJob, { id: "1@mail", queue: "other" }))?.reason).toBe("SCOPE_MISSING");
  });
});

test.each(PROTOCOLS)("%s tells a refusal with its reason", async (protocol) => {
  const server = await startTestServer({ AUTH_TOKENS: TOKENS });
  const { listQueues, watchQueues } = QueueService.method;
  for (const method of [listQueues, watchQueues]) {
    expect(await refusalOf(transportAs(server.url, undefined, protocol), method, {})).toMatchObject({
      code: "UNAUTHENTICATED",
      reason: "TOKEN_INVALID",
      domain: "gotaskq",
    });
    expect(await refusalOf(transportAs(server.url, tokenOf("work"), protocol), method, {})).toMatchObject({
      code: "PERMISSION_DENIED",
      reason: "SCOPE_MISSING",
    });
    expect(await refusalOf(transportAs(server.url, tokenOf("read"), protocol), method, {})).toBeUndefined();
  }
});

test("a read by GET needs a token like any other call", async () => {
  const server = await startTestServer({ AUTH_TOKENS: TOKENS });
  const url = `${server.url}/gotaskq.v1.QueueService/ListQueues?encoding=json&message=%7B%7D`;
  const get = (token?: string) =>
    fetch(url, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
  const refused = await get();
  expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
  expect((await get(tokenOf("produce"))).status).toBe(403);
  expect((await get(tokenOf("read"))).status).toBe(200);
  expect(
    await refusalOf(transportAs(server.url, tokenOf("read"), "connect", true), QueueService.method.listQueues, {}),
  ).toBe(undefined);
});

/** Names of fields that name queues, or jobs; `name` and `names` in requests and messages of queues. */
const QUEUE_FIELDS = ["queue", "queues"];
const ID_FIELDS = ["id", "ids", "jobId"];

/** A message for each field of a request, however deep, that can name a queue: with the path of that field. */
function* messagesNaming(desc: DescMessage, queue: string, id: string): Generator<[string, Record<string, unknown>]> {
  const isOfQueue = /Queues?(Request)?$/.test(desc.name);
  for (const field of desc.fields) {
    const text = textFor(field, isOfQueue, queue, id);
    if (text !== undefined) yield [field.localName, { [field.localName]: field.fieldKind === "list" ? [text] : text }];
    const inner = field.message;
    if (inner === undefined || !inner.typeName.startsWith("gotaskq.")) continue;
    for (const [path, message] of messagesNaming(inner, queue, id)) {
      const value = create(inner, message);
      yield [`${field.localName}.${path}`, { [field.localName]: field.fieldKind === "list" ? [value] : value }];
    }
  }
}

function textFor(field: DescField, isOfQueue: boolean, queue: string, id: string): string | undefined {
  if (field.message !== undefined || field.fieldKind === "map") return undefined;
  if (QUEUE_FIELDS.includes(field.localName)) return queue;
  if (ID_FIELDS.includes(field.localName)) return id;
  return isOfQueue && ["name", "names"].includes(field.localName) ? queue : undefined;
}
