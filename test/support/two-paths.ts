import { Agent, request as httpRequest, type OutgoingHttpHeaders } from "node:http";
import { type ClientHttp2Session, connect as http2Connect } from "node:http2";
import type { Logger } from "../../src/model/log/logger.js";
import { createRpcHandler } from "../../src/rpc/http-handler.js";
import { createListener, type Listener } from "../../src/server/http/listener.js";
import { FakeClock } from "./fake-clock.js";
import { type LogLine, recordingLogger } from "./logger.js";
import { startTestServer, type TestServer } from "./server.js";
import { within } from "./wait.js";
import type { Answer } from "./wire.js";

/** A request that is sent on both paths. */
export interface Probe {
  readonly isHttp2: boolean;
  readonly method: string;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  /** The body, sent piece by piece. */
  readonly body: readonly Uint8Array[];
  /** The client leaves after this many parts of the answer. */
  readonly leaveAfter?: number;
}

/** The result of a request, as far as it must be the same on both paths. */
export interface Outcome {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  /** How the client's HTTP/2 stream was reset. */
  readonly reset: number;
}

/** One path to the services, with everything that is counted and logged on it. */
export interface Path {
  readonly url: string;
  /** The codes of ended calls, and of refused items with their number, and the changes of open streams, as `method code`. */
  readonly heard: string[];
  readonly log: readonly LogLine[];
  /** Sends a request. */
  send(probe: Probe): Promise<Outcome>;
}

/** Both paths to the services of one server, whose clock stands still. */
export interface TwoPaths {
  readonly server: TestServer;
  readonly clock: FakeClock;
  readonly fast: Path;
  readonly stock: Path;
  close(): Promise<void>;
}

/** Opens two ports of one server, one with the fast path and one without it. */
export async function openTwoPaths(maxStreams = 1000): Promise<TwoPaths> {
  const clock = new FakeClock();
  const server = await startTestServer({ NUM_WORKERS: "0" }, { clock });
  const fast = await openPath(server, true, maxStreams);
  const stock = await openPath(server, false, maxStreams);
  return {
    ...{ server, clock, fast, stock },
    async close() {
      await Promise.all([fast.close(), stock.close()]);
    },
  };
}

async function openPath(server: TestServer, isFastPathOn: boolean, maxStreams: number) {
  const heard: string[] = [];
  const recorded = recordingLogger();
  // Lines of single calls tell how long each took.
  const logger: Logger = { ...recorded, isLevelEnabled: (level) => level !== "debug" };
  const handler = createRpcHandler(server.engine, {
    observer: {
      rpcEnded: (method, code) => void heard.push(`${method} ${code}`),
      itemsRefused: (method, code, count) => void heard.push(`${method} ${code} (items: ${count})`),
      streams: (method, change) => void heard.push(`${method} ${change}`),
    },
    ...{ logger, maxStreams, isFastPathOn, health: server.health },
    info: { version: "0.0.0", nodeId: () => 0, leaseMs: 30_000, uptimeMs: () => 0 },
    otherwise: (_request, response) => {
      response.statusCode = 404;
      response.end();
    },
  });
  const listener: Listener = createListener(handler, { requestTimeoutMs: 30_000 });
  const { port } = await listener.listen(0, "127.0.0.1");
  const url = `http://127.0.0.1:${port}`;
  const agent = new Agent({ keepAlive: true });
  let session: ClientHttp2Session | undefined;
  return {
    ...{ url, heard, log: recorded.lines },
    send(probe: Probe) {
      if (session === undefined || session.closed || session.destroyed) {
        session = http2Connect(url);
        session.on("error", () => {});
      }
      const outcome = probe.isHttp2 ? sendHttp2(session, probe) : sendHttp1(port, agent, probe);
      return within(outcome, `the answer to ${probe.method} ${probe.path}`);
    },
    async close() {
      session?.destroy();
      agent.destroy();
      await listener.close();
    },
  };
}

/** Names the request on both paths, as answers and errors repeat it. */
const SAME_ID = { "x-request-id": "same-on-both-paths" };

function sendHttp1(port: number, agent: Agent, { method, path, headers, body, leaveAfter }: Probe): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const options = {
      host: "127.0.0.1",
      port,
      agent,
      method,
      path,
      headers: { ...SAME_ID, ...headers, "content-length": sizeOf(body) },
    };
    const request = httpRequest(options, (response) => {
      const parts: Buffer[] = [];
      const { statusCode: status = 0 } = response;
      const done = () => {
        const { headers, trailers } = response;
        resolve({ status, headers: comparable(headers), trailers, body: Buffer.concat(parts), reset: 0 });
      };
      response.on("data", (part: Buffer) => {
        parts.push(part);
        if (parts.length === leaveAfter) request.destroy();
      });
      response.on("close", done);
      response.on("error", () => {});
    });
    request.on("error", (error) => {
      if (leaveAfter === undefined) reject(error);
    });
    for (const part of body) request.write(part);
    request.end();
  });
}

function sendHttp2(session: ClientHttp2Session, { method, path, headers, body, leaveAfter }: Probe): Promise<Outcome> {
  return new Promise((resolve) => {
    const stream = session.request({ ...SAME_ID, ...headers, ":method": method, ":path": path });
    const parts: Buffer[] = [];
    let head: Answer["headers"] = {};
    let trailers: Answer["trailers"] = {};
    stream.on("response", (given) => {
      head = given;
    });
    stream.on("trailers", (given) => {
      trailers = given;
    });
    stream.on("data", (part: Buffer) => {
      parts.push(part);
      if (parts.length === leaveAfter) stream.close(8);
    });
    stream.on("error", () => {});
    stream.on("close", () => {
      const status = Number(head[":status"] ?? 0);
      const outcome = { status, headers: comparable(head), trailers: comparable(trailers), body: Buffer.concat(parts) };
      resolve({ ...outcome, reset: stream.rstCode });
    });
    for (const part of body) stream.write(part);
    stream.end();
  });
}

function sizeOf(body: readonly Uint8Array[]): number {
  return body.reduce((size, part) => size + part.byteLength, 0);
}

/** Headers without those that tell the time, how the body is cut up, or proxies not to keep it. */
function comparable(headers: object): Readonly<Record<string, unknown>> {
  const unequal = new Set(["date", "content-length", "transfer-encoding", "connection", "keep-alive"]);
  for (const name of ["cache-control", "x-accel-buffering"]) unequal.add(name);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !unequal.has(name)));
}
