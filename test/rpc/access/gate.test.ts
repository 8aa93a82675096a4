import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect as http2Connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { JobStatus, UniqueConflict } from "../../../gen/gotaskq/v1/job_pb.js";
import { JobService } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { QueueService } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { Scope, ServerService } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { WorkerService } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { Health } from "../../../gen/health/v1/health_pb.js";
import type { Authorizer } from "../../../src/access/authorizer.js";
import { hashToken } from "../../../src/access/hash-token.js";
import { PROTOCOLS, transportAs } from "../../support/access.js";
import { FakeClock } from "../../support/fake-clock.js";
import { recordingLogger } from "../../support/logger.js";
import { jsonOf, payload, refusal } from "../../support/rpc.js";
import { startTestServer } from "../../support/server.js";
import { signal } from "../../support/signal.js";
import { eventually, within } from "../../support/wait.js";

const TOKEN = "a-token-of-20-letters";

/** Clients with a token. */
function as(url: string, token: string | undefined, protocol: (typeof PROTOCOLS)[number] = "grpc") {
  const transport = transportAs(url, token, protocol);
  return {
    jobs: createClient(JobService, transport),
    queues: createClient(QueueService, transport),
    workers: createClient(WorkerService, transport),
    info: createClient(ServerService, transport),
  };
}

describe("a caller without the scope read", () => {
  test("is told the id and status only of a job that was there already, and of one that it cancels", async () => {
    const AUTH_TOKENS = `name=a token=${TOKEN}a scopes=produce,read; name=b token=${TOKEN}b scopes=produce`;
    const server = await startTestServer({ AUTH_TOKENS, NUM_WORKERS: "0" });
    const [a, b] = [as(server.url, `${TOKEN}a`), as(server.url, `${TOKEN}b`)];
    const job = { type: "t", payloadKind: payload({ secret: 1 }), requestId: "r", metadata: { of: "a" } };
    const { job: created } = await a.jobs.createJob(job);
    const own = await b.jobs.createJob({ ...job, requestId: "other" });
    expect([own.deduplicated, own.job?.metadata]).toEqual([false, { of: "a" }]);
    const again = await b.jobs.createJob(job);
    expect(again).toMatchObject({ deduplicated: true, job: { id: created?.id, status: JobStatus.PENDING } });
    expect([again.job?.type, again.job?.metadata, again.job && jsonOf(again.job.payloadKind)]).toEqual([
      "",
      {},
      undefined,
    ]);
    const canceled = (await b.jobs.cancelJob({ id: created?.id ?? "" })).job;
    expect([canceled?.id, canceled?.status, canceled?.type]).toEqual([created?.id, JobStatus.CANCELED, ""]);
    expect((await a.jobs.createJob(job)).job).toMatchObject({ type: "t", status: JobStatus.CANCELED });
    const unique = { ...job, requestId: "auto:1", unique: { key: "k", onConflict: UniqueConflict.REPLACE } };
    const first = await a.jobs.createJob(unique);
    for (const onConflict of [UniqueConflict.KEEP, UniqueConflict.REPLACE]) {
      const met = await b.jobs.createJob({ type: "u", metadata: { of: "b" }, unique: { key: "k", onConflict } });
      expect([met.deduplicated, met.job?.id, met.job?.type, met.job?.metadata]).toEqual([true, first.job?.id, "", {}]);
    }
    // A repeat by a client's own request id is not told as one, and its job has changed meanwhile.
    const repeat = await b.jobs.createJob(unique);
    expect([repeat.deduplicated, repeat.job?.id, repeat.job?.metadata]).toEqual([false, first.job?.id, {}]);
  });
});

test("GetServerInfo tells who calls, and nothing where nobody is asked", async () => {
  const AUTH_TOKENS = `name=a token=${TOKEN} scopes=produce,read queues=mail,b* ends_at=2999-01-01`;
  const { url } = await startTestServer({ AUTH_TOKENS });
  const { caller } = await as(url, TOKEN).info.getServerInfo({});
  expect(caller).toMatchObject({ name: "a", scopes: [Scope.PRODUCE, Scope.READ], queues: ["b*", "mail"] });
  expect(Number(caller?.endsAt?.seconds) * 1000).toBe(Date.UTC(2999, 0, 1));
  const open = await startTestServer();
  expect((await open.info.getServerInfo({})).caller).toBeUndefined();
});

test("/metrics needs read of all queues, unless AUTH_METRICS=none; failures are counted there", async () => {
  const AUTH_TOKENS = `name=a token=${TOKEN}a scopes=read; name=b token=${TOKEN}b scopes=read queues=mail; name=c token=${TOKEN}c scopes=work`;
  const server = await startTestServer({ AUTH_TOKENS });
  const get = (token?: string, path = "/metrics") =>
    fetch(server.url + path, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
  const refused = await get();
  expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
  expect(await refused.json()).toMatchObject({ code: "unauthenticated" });
  const ofSome = await get(`${TOKEN}b`);
  expect([ofSome.status, (await get(`${TOKEN}c`)).status, (await get("wrong")).status]).toEqual([403, 403, 401]);
  expect(await ofSome.json()).toMatchObject({
    message: 'the token "b" is for some queues only, and this is about all of them',
  });
  const page = await (await get(`${TOKEN}a`)).text();
  for (const [reason, count] of Object.entries({ no_token: 1, token_unknown: 1, scope: 1, queue: 1 })) {
    expect(page).toContain(`gotaskq_auth_failures_total{reason="${reason}"} ${count}\n`);
  }
  for (const path of ["/livez", "/readyz", "/healthz", "/"]) expect((await get(undefined, path)).status).not.toBe(401);
  const open = await startTestServer({ AUTH_TOKENS, AUTH_METRICS: "none" });
  expect((await fetch(`${open.url}/metrics`)).status).toBe(200);
});

test("preflights of CORS need no token", async () => {
  const AUTH_TOKENS = `name=a token=${TOKEN} scopes=read`;
  const server = await startTestServer({ AUTH_TOKENS, CORS_ORIGINS: "https://example.com" });
  const headers = { origin: "https://example.com", "access-control-request-method": "POST" };
  const answer = await fetch(`${server.url}/gotaskq.v1.QueueService/ListQueues`, { method: "OPTIONS", headers });
  expect(answer.status).toBe(204);
  expect(answer.headers.get("access-control-allow-headers")).toContain("Authorization");
});

test("a token has at most MAX_STREAMS_PER_TOKEN streams, and others have theirs", async () => {
  const AUTH_TOKENS = `name=a token=${TOKEN}a scopes=read; name=b token=${TOKEN}b scopes=read`;
  const server = await startTestServer({ AUTH_TOKENS, MAX_STREAMS_PER_TOKEN: "1" });
  const open = async (token: string) => {
    const leave = new AbortController();
    const stream = as(server.url, token).queues.watchQueues({}, { signal: leave.signal })[Symbol.asyncIterator]();
    await within(stream.next(), "the first message");
    return leave;
  };
  const first = await open(`${TOKEN}a`);
  expect(await refusal(open(`${TOKEN}a`))).toMatchObject({ reason: "TOO_MANY_STREAMS", metadata: { caller: "a" } });
  (await open(`${TOKEN}b`)).abort();
  first.abort();
  const again = await eventually(() => open(`${TOKEN}a`).catch(() => undefined), "room for another stream");
  again.abort();
});

test("callers without a token have half of all streams at most, and where no token is asked for all", async () => {
  const AUTH_TOKENS = `name=a token=${TOKEN} scopes=read`;
  const watch = async (url: string, token?: string) => {
    const leave = new AbortController();
    const client = createClient(Health, transportAs(url, token, "grpc"));
    const stream = client.watch({}, { signal: leave.signal })[Symbol.asyncIterator]();
    await within(stream.next(), "the first message");
    return leave;
  };
  const server = await startTestServer({ AUTH_TOKENS, MAX_STREAMS: "4" });
  const [first] = [await watch(server.url), await watch(server.url, TOKEN)];
  const refused = await refusal(watch(server.url));
  expect(refused).toMatchObject({ reason: "TOO_MANY_STREAMS", metadata: { max_streams: "2" } });
  const stream = as(server.url, TOKEN).queues.watchQueues({})[Symbol.asyncIterator]();
  await within(stream.next(), "the first message of who has a token");
  first.abort();
  await eventually(() => watch(server.url).catch(() => undefined), "room for another stream");

  const open = await startTestServer({ MAX_STREAMS: "4" });
  for (let count = 0; count < 4; count++) await watch(open.url);
  expect(await refusal(watch(open.url))).toMatchObject({ reason: "TOO_MANY_STREAMS", metadata: { max_streams: "4" } });
});

test("an authorizer of the operator's is asked, with what the call is", async () => {
  const server = await startTestServer(
    {},
    {
      authorizer: async ({ headers, method, remoteAddress, certificate }) => {
        if (headers["x-user"] !== "ann") return undefined;
        expect([method, remoteAddress, certificate]).toEqual([
          expect.stringMatching(/ListQueues|metrics/),
          "127.0.0.1",
          undefined,
        ]);
        return { name: "ann", scopes: ["read"], queues: method === "/metrics" ? undefined : ["default"] };
      },
    },
  );
  for (const protocol of PROTOCOLS) {
    const { queues } = as(server.url, undefined, protocol);
    expect((await queues.listQueues({}, { headers: { "x-user": "ann" } })).queues).toHaveLength(1);
    expect(await refusal(queues.listQueues({}, { headers: { "x-user": "bob" } }))).toMatchObject({
      reason: "TOKEN_INVALID",
    });
  }
  expect((await fetch(`${server.url}/metrics`, { headers: { "x-user": "ann" } })).status).toBe(200);
});

describe.each([
  ["the fast path", true],
  ["the connect path", false],
])("AUTH_TOKENS_FILE, on %s", (_, isFastPathOn) => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "gotaskq-tokens-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const content = (...names: string[]) =>
    JSON.stringify({
      tokens: names.map((name) => ({ name, sha256: hashToken(TOKEN + name), scopes: ["read", "work"] })),
    });

  test("is read again when it changes: streams and polls of a token that is gone end, a broken file changes nothing", async () => {
    const path = join(folder, "tokens.json");
    writeFileSync(path, content("a", "b"));
    const clock = new FakeClock();
    const logger = recordingLogger();
    const server = await startTestServer({ AUTH_TOKENS_FILE: path, NUM_WORKERS: "0" }, { clock, logger, isFastPathOn });
    const [a, b] = [as(server.url, `${TOKEN}a`), as(server.url, `${TOKEN}b`)];
    const streams = [a, b].map(({ queues }) => queues.watchQueues({})[Symbol.asyncIterator]());
    for (const stream of streams) await within(stream.next(), "the first message");
    const jobs = a.workers.streamJobs({ worker: "w", types: ["t"] })[Symbol.asyncIterator]();
    await within(jobs.next(), "the session");
    const poll = refusal(a.workers.leaseJobs({ worker: "p", types: ["t"], wait: { seconds: 60n, nanos: 0 } }));
    await eventually(
      async () => ((await b.info.listWorkers({})).workers.some(({ name }) => name === "p") ? true : undefined),
      "the poll",
    );
    /** Lets the server look at its file until the log says something of it. */
    const untilLogged = (level: "info" | "error") => {
      const before = logger.lines.length;
      return eventually(async () => {
        await clock.advance(300);
        return logger.lines.slice(before).find((line) => line.level === level && /AUTH_TOKENS_FILE/.test(line.message));
      }, `a line of the level ${level}`);
    };

    writeFileSync(path, content("a", "b").slice(0, 60));
    await untilLogged("error");
    expect(JSON.stringify(logger.lines)).not.toContain(TOKEN);
    expect((await a.queues.listQueues({})).queues).toHaveLength(1);

    // As an editor does, and as Kubernetes does.
    writeFileSync(join(folder, "next.json"), content("b", "c"));
    renameSync(join(folder, "next.json"), path);
    await untilLogged("info");
    const ended = async (stream: AsyncIterator<unknown>) => {
      for (let next = await stream.next(); next.done !== true; next = await stream.next());
    };
    expect(await refusal(ended(streams[0] as AsyncIterator<unknown>))).toMatchObject({
      code: "UNAUTHENTICATED",
      reason: "TOKEN_INVALID",
    });
    expect(await refusal(ended(jobs))).toMatchObject({ code: "UNAUTHENTICATED", reason: "TOKEN_INVALID" });
    expect(await within(poll, "the end of the poll")).toMatchObject({ reason: "TOKEN_INVALID" });
    expect(await refusal(a.queues.listQueues({}))).toMatchObject({ reason: "TOKEN_INVALID" });
    expect((await b.queues.listQueues({})).queues).toHaveLength(1);
    expect((await as(server.url, `${TOKEN}c`).queues.listQueues({})).queues).toHaveLength(1);

    rmSync(path);
    writeFileSync(join(folder, "linked.json"), content("c"));
    symlinkSync(join(folder, "linked.json"), path);
    await untilLogged("info");
    expect(await refusal(ended(streams[1] as AsyncIterator<unknown>))).toMatchObject({ reason: "TOKEN_INVALID" });
    expect((await as(server.url, `${TOKEN}c`).queues.listQueues({})).queues).toHaveLength(1);
  });
});

test.each([true, false])(
  "a request that comes in slowly has the rights of its end, not of its beginning: %s",
  async (isFastPathOn) => {
    const clock = new FakeClock();
    const asked = signal();
    const authorizer: Authorizer = () => {
      asked.fire();
      return { name: "slow", scopes: ["admin"], endsAt: clock.now() + 1000 };
    };
    const server = await startTestServer({}, { clock, authorizer, isFastPathOn });
    const headers = { "content-type": "application/json", "content-length": 12 };
    const request = httpRequest(`${server.url}/gotaskq.v1.JobService/CreateJob`, { method: "POST", headers });
    const answered = once(request, "response") as Promise<[IncomingMessage]>;
    request.write('{"type"');
    await within(asked.fired, "the authorizer");
    await clock.advance(1000);
    request.end(':"t"}');
    const [response] = await within(answered, "the answer");
    response.resume();
    expect(response.statusCode).toBe(401);
    expect((await server.engine.jobs.list({})).jobs).toEqual([]);
  },
);

test.each([true, false])(
  "an empty request that is complete before the authorizer answers is answered: fast path %s",
  async (isFastPathOn) => {
    const [asked, decided] = [signal(), signal()];
    const authorizer: Authorizer = async () => {
      asked.fire();
      await decided.fired;
      return { name: "slow", scopes: ["admin"] };
    };
    const server = await startTestServer({}, { authorizer, isFastPathOn });
    const session = http2Connect(server.url);
    try {
      const path = "/gotaskq.v1.QueueService/ListQueues";
      const call = session.request({ ":method": "POST", ":path": path, "content-type": "application/proto" });
      const answered = once(call, "response");
      call.end(Buffer.of());
      await within(asked.fired, "the authorizer");
      // What comes after the end of the request is answered: the end has come.
      await within(new Promise((resolve) => session.ping(resolve)), "the answer to a ping");
      decided.fire();
      expect((await within(answered, "the answer"))[0]).toMatchObject({ ":status": 200 });
    } finally {
      session.destroy();
    }
  },
);

test("a stream ends when the end date of its token passes", async () => {
  const clock = new FakeClock();
  const endsAt = new Date(clock.now() + 30_000).toISOString();
  const server = await startTestServer(
    { AUTH_TOKENS: `name=a token=${TOKEN} scopes=read ends_at=${endsAt}` },
    { clock },
  );
  const stream = as(server.url, TOKEN).queues.watchQueues({})[Symbol.asyncIterator]();
  await within(stream.next(), "the first message");
  await clock.advance(30_000);
  const rest = async () => {
    for (let next = await stream.next(); next.done !== true; next = await stream.next());
  };
  expect(await refusal(rest())).toMatchObject({ code: "UNAUTHENTICATED", reason: "TOKEN_INVALID" });
});
