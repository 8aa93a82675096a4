import type { IncomingHttpHeaders } from "node:http";
import { PassThrough } from "node:stream";
import { gzipSync } from "node:zlib";
import type { DescMethod } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, test } from "vitest";
import { Health } from "../../../gen/health/v1/health_pb.js";
import { Feed } from "../../../src/core/watch/feed.js";
import { createCallRoom } from "../../../src/rpc/call-room.js";
import { connectionOf } from "../../../src/rpc/connection.js";
import { BodyReader } from "../../../src/rpc/fast/body-reader.js";
import type { Exchange } from "../../../src/rpc/fast/exchange.js";
import { createFastMethod, type FastMethod } from "../../../src/rpc/fast/fast-method.js";
import { serveFastPath } from "../../../src/rpc/fast/fast-path.js";
import { Turns } from "../../../src/rpc/fast/turns.js";
import { wireProtocolOf } from "../../../src/rpc/fast/wire-protocol.js";
import { MessageFeed } from "../../../src/rpc/message-feed.js";
import { createRpcRecorder } from "../../../src/rpc/rpc-recorder.js";
import { settle } from "../../support/fake-clock.js";
import { recordingLogger } from "../../support/logger.js";
import { present } from "../../support/rpc.js";
import { signal } from "../../support/signal.js";
import { eventually, within } from "../../support/wait.js";
import { envelope } from "../../support/wire.js";

/** A message large enough to wait for a turn of its own. */
const LARGE = JSON.stringify({ service: "x".repeat(20_000) });

/** One request and its answer in the hands of a test, which says when the client leaves, and what cannot be written. */
class HeldExchange implements Exchange {
  readonly requestId = "of-the-test";
  readonly remoteAddress = undefined;
  readonly connection = connectionOf(this);
  readonly socket = undefined;
  readonly body = new PassThrough();
  readonly answers: number[] = [];
  readonly destroyed = signal();
  isClosed = false;
  /** What writing an answer, or the end of a stream, throws. */
  fault: Error | undefined;
  #onClose: (() => void)[] = [];

  constructor(readonly headers: IncomingHttpHeaders) {}

  leave(): void {
    this.isClosed = true;
    for (const listener of this.#onClose) listener();
  }

  onClose(listener: () => void): void {
    this.#onClose.push(listener);
  }

  onWritten(): void {}

  answer(status: number): void {
    if (this.fault !== undefined) throw this.fault;
    this.answers.push(status);
  }

  begin(): void {}

  write(): boolean {
    return true;
  }

  onDrain(): void {}

  end(): void {
    if (this.fault !== undefined) throw this.fault;
  }

  endWithClient(): void {}

  abandon(): void {}

  destroy(): void {
    this.destroyed.fire();
  }
}

const heard: string[] = [];
let logger = recordingLogger();
const turns = new Turns();

beforeEach(() => {
  heard.splice(0);
  logger = recordingLogger();
});

/** Serves a request to this method, whose body the test writes. */
function serve(desc: DescMethod, run: FastMethod["run"], contentType: string, headers: IncomingHttpHeaders = {}) {
  const observer = {
    rpcEnded: (method: string, code: string) => void heard.push(`${method} ${code}`),
    itemsRefused() {},
    streams() {},
  };
  const method = present(createFastMethod(desc, run, {}));
  const exchange = new HeldExchange(headers);
  serveFastPath(method, exchange, present(wireProtocolOf(contentType, method.isStream)), {
    recorder: createRpcRecorder({ observer, logger, maxStreams: 10 }),
    bodies: new BodyReader({ timeoutMs: 60_000, maxBodies: 10, maxBytes: 1 << 20 }),
    room: createCallRoom({ max: 10, maxPerConnection: 10 }),
    turns,
    logger,
    hasFaultDetails: true,
  });
  return exchange;
}

describe("a request whose client leaves", () => {
  let runs = 0;
  const check = () => {
    runs++;
    return { status: 1 };
  };
  beforeEach(() => {
    runs = 0;
  });

  test("while its message waits for its turn is not run", async () => {
    const exchange = serve(Health.method.check, check, "application/json");
    exchange.body.on("end", () => exchange.leave());
    exchange.body.end(LARGE);
    await settle();
    expect([runs, exchange.answers, heard]).toEqual([0, [], []]);
    serve(Health.method.check, check, "application/json").body.end(LARGE);
    await eventually(async () => (runs === 1 ? true : undefined), "the run of a request whose client stays");
  });

  test.each([
    ["is decompressed is not run", gzipSync("{}")],
    ["is decompressed in vain is not counted", Buffer.from("no gzip")],
  ])("while its message %s", async (_what, body) => {
    const headers = { "content-encoding": "gzip" };
    const exchange = serve(Health.method.check, check, "application/json", headers);
    exchange.body.on("end", () => exchange.leave());
    exchange.body.end(body);
    // One that comes later and stays: what the thread pool does with it is done after the other.
    const later = serve(Health.method.check, check, "application/json", headers);
    later.body.end(body);
    await eventually(async () => (later.answers.length === 1 ? true : undefined), "the answer to a client that stays");
    await settle();
    expect([exchange.answers, heard.length]).toEqual([[], 1]);
  });
});

describe("a call whose answer cannot be written is logged, and ended", () => {
  const bad = () => {
    throw new Error("x");
  };
  test.each([
    ["good", () => ({ $typeName: "grpc.health.v1.HealthCheckResponse", status: 1 }), "{}"],
    ["an error", bad, "{}"],
    ["a refusal", bad, "no JSON"],
  ])("when it is %s", async (_what, run, body) => {
    const exchange = serve(Health.method.check, run, "application/json");
    exchange.fault = new Error("no room");
    exchange.body.end(body);
    await within(exchange.destroyed.fired, "the end of the call");
    expect(logger.lines.at(-1)).toMatchObject({ level: "warn", fields: { err: exchange.fault } });
  });
});

describe("a stream whose end cannot be written is logged, and ended", () => {
  test.each([
    ["its messages end", (feed: Feed<object>) => feed.end(), {}],
    ["its messages fail", (feed: Feed<object>) => feed.end({ cause: new Error("x") }), {}],
    ["its deadline passes", () => {}, { "connect-timeout-ms": "20" }],
  ])("when %s", async (_when, end, headers) => {
    const feed = new Feed<object>({ started() {}, wanted() {}, ended() {} });
    const watch = () => new MessageFeed(feed, () => ({ $typeName: "grpc.health.v1.HealthCheckResponse", status: 1 }));
    const exchange = serve(Health.method.watch, watch, "application/connect+json", headers);
    exchange.fault = new Error("no room");
    exchange.body.end(envelope("{}"));
    await eventually(async () => (feed.isWanted ? true : undefined), "the reader of the feed");
    end(feed);
    await within(exchange.destroyed.fired, "the end of the call");
    expect(logger.lines.at(-1)).toMatchObject({ level: "warn", fields: { err: exchange.fault } });
  });
});
