import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { createConsole } from "../../src/server/http/console.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { http1, http2 } from "../support/wire.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

describe.each([
  ["HTTP/1.1", http1],
  ["HTTP/2", http2],
])("the console over %s", (_name, send) => {
  const get = (path: string, headers: Record<string, string> = {}) =>
    send(server.url, { method: "GET", path, headers });

  test("is a page that is asked for again, with assets that are kept for ever", async () => {
    const page = await get("/?a=b");
    expect([page.status, page.headers["content-type"], page.headers["cache-control"]]).toEqual([
      200,
      "text/html; charset=utf-8",
      "no-cache",
    ]);
    expect(page.headers["content-length"]).toBe(String(page.body.length));
    const assets = [...String(page.body).matchAll(/(?:src|href)="\.(\/assets\/[^"]+)"/g)].map(([, path]) => path ?? "");
    expect(assets.map((path) => path.split(".").at(-1)).toSorted()).toEqual(["css", "js"]);
    for (const path of assets) {
      const plain = await get(path);
      expect([plain.status, plain.headers["cache-control"]]).toEqual([200, "public, max-age=31536000, immutable"]);
      expect(plain.headers["content-type"]).toMatch(/^text\/(css|javascript); charset=utf-8$/);
      const zipped = await get(path, { "accept-encoding": "gzip, br" });
      expect([zipped.headers["content-encoding"], zipped.headers["content-length"]]).toEqual([
        "gzip",
        String(zipped.body.length),
      ]);
      expect(gunzipSync(zipped.body).equals(plain.body)).toBe(true);
    }
  });

  test("lets nothing in from elsewhere, and nobody frame it", async () => {
    const { headers } = await get("/");
    const policy = String(headers["content-security-policy"]).split("; ");
    expect(policy).toEqual(expect.arrayContaining(["default-src 'none'", "script-src 'self'", "style-src 'self'"]));
    expect(policy).toEqual(expect.arrayContaining(["connect-src 'self'", "frame-ancestors 'none'"]));
    expect(String(policy)).not.toMatch(/unsafe|https?:|\*/);
    expect([headers["x-content-type-options"], headers["referrer-policy"]]).toEqual(["nosniff", "no-referrer"]);
  });

  test("is not sent again to who has it", async () => {
    const { headers } = await get("/");
    const again = await get("/", { "if-none-match": String(headers.etag) });
    expect([again.status, again.body.length]).toEqual([304, 0]);
  });

  test("answers HEAD without a body, refuses to be posted to, and serves no other file", async () => {
    const head = await send(server.url, { method: "HEAD", path: "/" });
    expect([head.status, head.body.length]).toEqual([200, 0]);
    expect(Number(head.headers["content-length"])).toBeGreaterThan(100);
    expect((await send(server.url, { path: "/" })).status).toBe(405);
    for (const path of ["/assets/", "/assets/../../package.json", "/assets/%2e%2e/index.html", "/index.html", "//"]) {
      expect((await get(path)).status).toBe(404);
    }
  });
});

test("where no console was built, the page says how to build it", async () => {
  const webConsole = createConsole(["/no/such/folder"]);
  const http = createServer((request, response) => {
    if (!webConsole.answer(request.url ?? "", request, response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const page = await http1(url, { method: "GET", path: "/" });
  expect([page.status, String(page.body)]).toEqual([503, "the console is not built: run `npm run build`\n"]);
  http.close();
});

describe("a preflight", () => {
  const headers = {
    origin: "https://a.example.com",
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,connect-protocol-version",
  };
  const preflight = (url: string) =>
    http1(url, { method: "OPTIONS", path: "/gotaskq.v1.JobService/CreateJob", headers });

  test("is answered for a listed origin only, and says so to caches", async () => {
    const listing = await startTestServer({ CORS_ORIGINS: "https://a.example.com" });
    const allowed = await preflight(listing.url);
    expect(allowed).toMatchObject({
      status: 204,
      headers: { "access-control-allow-origin": "https://a.example.com", vary: "origin" },
    });
    expect(String(allowed.headers["access-control-allow-headers"])).toMatch(
      /Connect-Timeout-Ms.*X-Grpc-Web.*Authorization/i,
    );
    expect(allowed.headers["access-control-allow-credentials"]).toBeUndefined();
    const refused = await preflight((await startTestServer({ CORS_ORIGINS: "https://b.example.com" })).url);
    expect(refused.status).toBe(403);
    expect(refused.headers["access-control-allow-origin"]).toBeUndefined();
  });

  test("is not allowed by a server without CORS_ORIGINS", async () => {
    const { headers: given } = await preflight(server.url);
    expect(Object.keys(given).filter((name) => name.startsWith("access-control-"))).toEqual([]);
  });
});
