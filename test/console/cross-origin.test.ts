import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer } from "../support/server.js";
import { openPage } from "./support/browser.js";

/** A site of another origin: one empty page. */
const site = createServer((_, response) =>
  response.setHeader("content-type", "text/html").end("<title>a site</title>"),
);
let origin: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
});
afterAll(() => site.close());

/** Returns what a page of the site gets when it calls the server: the status, or that the browser refused. */
async function callFrom(page: Page, server: string, call: keyof typeof CALLS): Promise<unknown> {
  return page.evaluate(`(${CALLS[call]})(${JSON.stringify(server)}).catch((error) => error.name)`);
}

const CALLS = {
  connect: `async (server) => {
    const headers = { "content-type": "application/json", "connect-protocol-version": "1", "connect-timeout-ms": "9000", authorization: "Bearer x" };
    const body = '{"type":"nobody-runs-this"}';
    const response = await fetch(server + "/gotaskq.v1.JobService/CreateJob", { method: "POST", headers, body });
    return [response.status, (await response.json()).job.type];
  }`,
  grpcWeb: `async (server) => {
    const headers = { "content-type": "application/grpc-web+proto", "x-grpc-web": "1", "x-user-agent": "a", "grpc-timeout": "9S" };
    const body = new Uint8Array([0, 0, 0, 0, 0]);
    const response = await fetch(server + "/gotaskq.v1.JobService/GetJob", { method: "POST", headers, body });
    return [response.status, await response.text().then((text) => response.headers.get("grpc-status") ?? /grpc-status: ?(\\d+)/i.exec(text)?.[1])];
  }`,
  stream: `async (server) => {
    const headers = { "content-type": "application/connect+json", "connect-protocol-version": "1" };
    const body = new Uint8Array([0, 0, 0, 0, 2, 123, 125]);
    const response = await fetch(server + "/gotaskq.v1.QueueService/WatchQueues", { method: "POST", headers, body });
    const reader = response.body.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return [response.status, value.length > 0];
  }`,
  get: `async (server) => {
    const response = await fetch(server + "/gotaskq.v1.QueueService/ListQueues?connect=v1&encoding=json&message=%7B%7D");
    return [response.status, (await response.json()).queues[0].name];
  }`,
};

describe("a page of another origin", () => {
  test.each([
    ["connect", [200, "nobody-runs-this"]],
    ["grpcWeb", [200, "3"]],
    ["stream", [200, true]],
    ["get", [200, "default"]],
  ] as const)("calls by %s when CORS_ORIGINS lists it, or any, and cannot otherwise", async (call, answer) => {
    const listed = await startTestServer({ CORS_ORIGINS: `https://example.com,${origin}` });
    const any = await startTestServer({ CORS_ORIGINS: "*" });
    const others = await startTestServer({ CORS_ORIGINS: "https://example.com" });
    const none = await startTestServer();
    const { page } = await openPage(origin);
    expect(await callFrom(page, listed.url, call)).toEqual(answer);
    expect(await callFrom(page, any.url, call)).toEqual(answer);
    expect(await callFrom(page, others.url, call)).toBe("TypeError");
    expect(await callFrom(page, none.url, call)).toBe("TypeError");
    const { jobs } = await none.jobs.listJobs({});
    expect(jobs).toEqual([]);
  });
});
