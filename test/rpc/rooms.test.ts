import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { afterEach, describe, expect, test } from "vitest";
import { Health, type HealthCheckRequest } from "../../gen/health/v1/health_pb.js";
import { silentLogger } from "../../src/model/log/logger.js";
import { createServiceHandler, type ServiceHandlerOptions } from "../../src/rpc/http-handler.js";
import { spec } from "../../src/rpc/services/services.js";
import { createListener } from "../../src/server/http/listener.js";
import { signal } from "../support/signal.js";
import { eventually, within } from "../support/wait.js";
import { open } from "../support/wire.js";

const PATH = "/grpc.health.v1.Health/Check";
const BODY = '{"service":""}';
/** Calls that the server has places for. */
const PLACES = 5003;

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A server with one method, which waits for the test. */
async function serve(limits: Partial<ServiceHandlerOptions>) {
  let running = 0;
  const release = signal();
  const check = async (_request: HealthCheckRequest) => {
    running++;
    await release.fired;
    return { status: 1 };
  };
  const handler = createServiceHandler([spec(Health, { check })], {
    ...{
      logger: silentLogger,
      observer: { rpcEnded() {}, itemsRefused() {}, streams() {} },
      maxStreams: PLACES - 5000,
    },
    ...limits,
    otherwise: (_request, response) => void response.end(),
  });
  const listener = createListener(handler, { requestTimeoutMs: 60_000 });
  closing.push(() => listener.close());
  const { port } = await listener.listen(0, "127.0.0.1");
  return { port, url: `http://127.0.0.1:${port}`, running: () => running, release: release.fire };
}

function sessionOf(url: string): ClientHttp2Session {
  const session = connect(url);
  session.on("error", () => {});
  closing.push(() => session.destroy());
  return session;
}

/** Begins a call, whose body the test writes. */
function begin(session: ClientHttp2Session): {
  readonly stream: ClientHttp2Stream;
  readonly answer: () => Promise<number>;
} {
  const stream = session.request({ ":method": "POST", ":path": PATH, "content-type": "application/json" });
  stream.on("error", () => {}).resume();
  const answer = new Promise<number>((resolve) => {
    stream.on("response", (headers) => resolve(Number(headers[":status"])));
  });
  return { stream, answer: () => within(answer, "an answer") };
}

/** Resolves once everything that was sent before on this connection has been looked at. */
function seen(session: ClientHttp2Session): Promise<void> {
  return within(new Promise((resolve) => void session.ping(() => resolve())), "the answer to a ping");
}

describe("a call whose body does not come", () => {
  test("takes no place of those that run, however many there are", async () => {
    const { url, running, release } = await serve({});
    const session = sessionOf(url);
    for (let index = 0; index < PLACES; index++) begin(session);
    await seen(session);
    const { stream, answer } = begin(sessionOf(url));
    stream.end(BODY);
    await eventually(async () => (running() === 1 ? true : undefined), "the run of a call");
    release();
    expect(await answer()).toBe(200);
  });

  test("gives way to others when its connection has most of them", async () => {
    const { url, release } = await serve({ maxBodies: 4 });
    const [greedy, modest] = [sessionOf(url), sessionOf(url)];
    const early = begin(modest);
    await seen(modest);
    const many = Array.from({ length: 4 }, () => begin(greedy));
    expect(await many[0]?.answer()).toBe(429);
    early.stream.end(BODY);
    many[3]?.stream.end(BODY);
    release();
    expect(await Promise.all([early.answer(), many[3]?.answer()])).toEqual([200, 200]);
  });
});

describe("a connection has only so many calls running", () => {
  test("over HTTP/2", async () => {
    const { url, running, release } = await serve({ maxCallsPerConnection: 2 });
    const session = sessionOf(url);
    const calls = Array.from({ length: 3 }, () => begin(session));
    for (const { stream } of calls) stream.end(BODY);
    expect(await calls[2]?.answer()).toBe(429);
    const other = begin(sessionOf(url));
    other.stream.end(BODY);
    await eventually(async () => (running() === 3 ? true : undefined), "the runs of the others");
    release();
    expect(await Promise.all([calls[0], calls[1], other].map((call) => call?.answer()))).toEqual([200, 200, 200]);
    // The places are given back.
    const next = begin(session);
    next.stream.end(BODY);
    expect(await next.answer()).toBe(200);
  });

  test("over HTTP/1.1, whose requests may come before the answers to those before", async () => {
    const { port, running, release } = await serve({ maxCallsPerConnection: 2 });
    const socket = await open(port);
    closing.push(() => socket.destroy());
    let heard = "";
    socket.setEncoding("latin1").on("data", (part) => {
      heard += part;
    });
    const request = `POST ${PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`;
    socket.write(request.repeat(3));
    await eventually(async () => (running() === 2 ? true : undefined), "the runs of two calls");
    release();
    const statuses = () => [...heard.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
    await eventually(async () => (statuses().length === 3 ? true : undefined), "three answers");
    expect(statuses()).toEqual(["200", "200", "429"]);
  });
});
