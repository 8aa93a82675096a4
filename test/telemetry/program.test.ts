import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clientOf } from "../client/support.js";
import { TRACE } from "../support/job.js";
import { blocks } from "../support/readme.js";
import { startServerProcess } from "../support/server-process.js";

// Inside the package, so that the SDK is found.
const folder = fileURLToPath(new URL("../../.build/traces/", import.meta.url));

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";

/** An SDK that writes a line for each span to a file, at once: threads and processes are ended without a warning. */
const SDK = `
import { appendFileSync } from "node:fs";
import { NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";
const told = (span) => ({ name: span.name, id: span.spanContext().spanId, parent: span.parentSpanContext?.spanId });
const exporter = {
  export(spans, done) {
    for (const span of spans) appendFileSync(process.env.SPANS, JSON.stringify(told(span)) + "\\n");
    done({ code: 0 });
  },
  shutdown: async () => {},
};
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
`;

const HANDLERS = `
import { trace } from "@opentelemetry/api";
export const traced = (job, context) => {
  trace.getTracer("test").startSpan("inner").end();
  context.logger.warn({}, "from the handler");
  return { ...context.traceContext };
};
`;

beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  writeFileSync(folder + name, text);
  return folder + name;
}

const loading = (path: string) => ({ NODE_OPTIONS: `--import ${path}` });

describe("the server program with an SDK that is loaded first", () => {
  test("has the spans that the README promises, the last of them sent at its end", async () => {
    const [code = ""] = blocks("src/server/README.md", "Traces", "js");
    const server = await startServerProcess(loading(write("readme.mjs", code)));
    const client = clientOf(server.url, { headers: { traceparent: TRACE.traceparent } });
    await client.createAndWait({ type: "echo", payload: 1 });
    expect(await server.end()).toBe(0);
    const output = server.output();
    const names = [...output.matchAll(/^ {2}name: '(.*)',$/gm)].map(([, name]) => name);
    expect(names).toEqual(
      expect.arrayContaining(["gotaskq.v1.JobService/CreateJob", "create default", "wait default", "process default"]),
    );
    expect(output).toContain(`traceId: '${TRACE_ID}'`);
    expect(output).toContain("'service.name': 'gotaskq'");
  });

  test.each(["none", "threads", "processes"])(
    "runs handlers in the spans of their attempts, and names these in the log: isolation %s",
    async (isolation) => {
      const spansFile = write(`${isolation}.jsonl`, "");
      const server = await startServerProcess({
        ...loading(write("sdk.mjs", SDK)),
        ...{ SPANS: spansFile, HANDLERS: write("handlers.mjs", HANDLERS), HANDLERS_ISOLATION: isolation },
      });
      const job = await clientOf(server.url).createAndWait({ type: "traced", traceContext: TRACE });
      await server.printed("from the handler");
      expect(await server.end()).toBe(0);
      const lines = readFileSync(spansFile, "utf8").trim().split("\n");
      const spans: { name: string; id: string; parent?: string }[] = lines.map((line) => JSON.parse(line));
      const attempt = spans.find(({ name }) => name === "process default");
      const create = spans.find(({ name }) => name === "create default");
      expect(attempt?.parent).toBe(create?.id);
      expect(spans.find(({ name }) => name === "inner")?.parent).toBe(attempt?.id);
      expect(job.result).toMatchObject({ traceparent: `00-${TRACE_ID}-${attempt?.id}-01`, baggage: TRACE.baggage });
      const line = server
        .output()
        .split("\n")
        .find((text) => text.includes("from the handler"));
      expect(JSON.parse(line ?? "")).toMatchObject({ job_id: job.id, trace_id: TRACE_ID, span_id: attempt?.id });
    },
  );
});
