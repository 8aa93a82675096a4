import { Code, ConnectError, createClient, type HandlerContext } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Health, type HealthCheckRequest } from "../../gen/health/v1/health_pb.js";
import { silentLogger } from "../../src/model/log/logger.js";
import { createServiceHandler } from "../../src/rpc/http-handler.js";
import { spec } from "../../src/rpc/services/services.js";
import { createListener, type Listener } from "../../src/server/http/listener.js";
import { refusal } from "../support/rpc.js";
import { TRANSPORTS } from "../support/transports.js";

/** Bytes of a message. */
const LIMIT = 1000;

/** Says in headers and trailers what it was asked in a header, and how long it has, in whole minutes. */
function tell(context: HandlerContext): void {
  context.responseHeader.set("x-heard", context.requestHeader.get("x-said") ?? "nothing");
  context.responseTrailer.set("x-minutes", String(Math.round((context.timeoutMs() ?? 0) / 60_000)));
}

function answer({ service }: HealthCheckRequest, context: HandlerContext) {
  tell(context);
  if (service === "none") throw new ConnectError("no such service", Code.NotFound, { "x-error": "yes" });
  return { status: 1 };
}

const impl = {
  check: answer,
  async *watch(request: HealthCheckRequest, context: HandlerContext) {
    yield answer(request, context);
  },
};

describe.each([
  ["fast", true],
  ["stock", false],
])("any service on the %s path", (_name, isFastPathOn) => {
  let listener: Listener;
  let url: string;

  beforeAll(async () => {
    const handler = createServiceHandler([spec(Health, impl)], {
      ...{
        logger: silentLogger,
        observer: { rpcEnded() {}, itemsRefused() {}, streams() {} },
        maxStreams: 10,
        isFastPathOn,
      },
      readMaxBytes: LIMIT,
      otherwise: (_request, response) => void response.end(),
    });
    listener = createListener(handler, { requestTimeoutMs: 30_000 });
    const { port } = await listener.listen(0, "127.0.0.1");
    url = `http://127.0.0.1:${port}`;
  });

  afterAll(() => listener.close());

  describe.each(TRANSPORTS)("over $name", ({ create }) => {
    const said = (seen: Headers[]) => ({
      headers: { "x-said": "hello" },
      timeoutMs: 120_000,
      onHeader: (headers: Headers) => void seen.push(headers),
      onTrailer: (headers: Headers) => void seen.push(headers),
    });

    test("hears headers and the deadline, and answers headers and trailers", async () => {
      const client = createClient(Health, create(url));
      const seen: Headers[] = [];
      await client.check({}, said(seen));
      for await (const _message of client.watch({}, said(seen))) {
        // Its headers and trailers count.
      }
      expect(seen.map((headers) => headers.get("x-heard"))).toEqual(["hello", null, "hello", null]);
      expect(seen.map((headers) => headers.get("x-minutes"))).toEqual([null, "2", null, "2"]);
    });

    test("answers headers and trailers with an error too", async () => {
      const client = createClient(Health, create(url));
      const error = await client.check({ service: "none" }, said([])).catch((thrown: unknown) => thrown);
      const { code, metadata } = error as ConnectError;
      expect(code).toBe(Code.NotFound);
      expect(["x-heard", "x-minutes", "x-error"].map((name) => metadata.get(name))).toEqual(["hello", "2", "yes"]);
    });

    test("takes messages up to its own limit", async () => {
      const client = createClient(Health, create(url));
      expect(await client.check({ service: "x".repeat(LIMIT - 20) })).toMatchObject({ status: 1 });
      expect(await refusal(client.check({ service: "x".repeat(LIMIT + 1) }))).toMatchObject({
        reason: "MESSAGE_TOO_LARGE",
        metadata: { max_bytes: String(LIMIT) },
      });
    });
  });
});
