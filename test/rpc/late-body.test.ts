import { connect } from "node:http2";
import { beforeAll, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support/server.js";
import { within } from "../support/wait.js";

let server: TestServer;

beforeAll(async () => {
  // The shortest there is.
  server = await startTestServer({ REQUEST_TIMEOUT: "1s" });
});

/** What a client has heard when its stream is closed. */
interface Heard {
  readonly status: unknown;
  /** The status of gRPC in the trailers. */
  readonly grpcStatus: unknown;
  readonly body: string;
  /** How the stream was reset. */
  readonly reset: number;
}

/** Sends a part of the body of a call, and no more, until the server closes the stream. */
async function callHalf(url: string, method: string, headers: Record<string, string>): Promise<Heard> {
  const session = connect(url);
  session.on("error", () => {});
  const stream = session.request({ ":method": "POST", ":path": `/gotaskq.v1.${method}`, ...headers });
  const heard = { status: undefined as unknown, grpcStatus: undefined as unknown, body: "" };
  stream.on("response", (head) => {
    heard.status = head[":status"];
  });
  stream.on("trailers", (trailers) => {
    heard.grpcStatus = trailers["grpc-status"];
  });
  stream.on("data", (part) => {
    heard.body += part;
  });
  stream.on("error", () => {});
  stream.write("half");
  const closed = new Promise((resolve) => stream.on("close", resolve));
  await within(closed, "the end of the stream").finally(() => session.destroy());
  return { ...heard, reset: stream.rstCode };
}

test.concurrent.each([
  ["gRPC", "JobService/CreateJob", { "content-type": "application/grpc" }, 200, "4", /^$/],
  ["gRPC, a stream", "JobService/WatchJobs", { "content-type": "application/grpc" }, 200, "4", /^$/],
  ["gRPC-Web", "JobService/CreateJob", { "content-type": "application/grpc-web" }, 200, undefined, /grpc-status: 4/],
  ["Connect", "JobService/CreateJob", { "content-type": "application/json" }, 504, undefined, /deadline_exceeded/],
  ["Connect, a stream", "JobService/WatchJobs", { "content-type": "application/connect+json" }, 200, undefined, /dead/],
])(
  "a body that does not end in time is answered in the words of its protocol, and its stream ended: %s",
  async (_which, method, headers, status, grpcStatus, body) => {
    const heard = await callHalf(server.url, method, headers);
    expect(heard).toEqual({ status, grpcStatus, body: expect.stringMatching(body), reset: 0 });
  },
);
