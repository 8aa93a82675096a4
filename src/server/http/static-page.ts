import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { HttpRequest, HttpResponse } from "../../rpc/http.js";

/** Must be asked for again each time: mostly nothing has changed. */
export const ASK_AGAIN = "no-cache";

/** A page that is the same for everybody, ready to be sent. */
export interface StaticPage {
  readonly type: string;
  readonly body: Buffer;
  readonly zipped: Buffer;
  readonly tag: string;
  /** What `cache-control` says. */
  readonly caching: string;
}

/** Makes a page of its content. `type`: its content type. */
export function makeStaticPage(body: Buffer, type: string, caching: string): StaticPage {
  const tag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  return { type, body, zipped: gzipSync(body, { level: 9 }), tag, caching };
}

const USE_GET = Buffer.from("use GET\n");

/** Answers with a page: compressed where that is wanted, with 304 for who has it, and 405 for other methods than GET and HEAD. */
export function answerStaticPage(
  page: StaticPage,
  request: HttpRequest,
  response: HttpResponse,
  more: Readonly<Record<string, string>> = {},
): void {
  const headers = { ...more, "cache-control": page.caching, etag: page.tag, vary: "accept-encoding, origin" };
  if (request.method !== "GET" && request.method !== "HEAD") {
    sendBody(request, response, 405, { allow: "GET, HEAD", "content-type": "text/plain; charset=utf-8" }, USE_GET);
  } else if (request.headers["if-none-match"] === page.tag) {
    sendBody(request, response, 304, headers, undefined);
  } else if (/\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""))) {
    const zipped = { ...headers, "content-type": page.type, "content-encoding": "gzip" };
    sendBody(request, response, 200, zipped, page.zipped);
  } else sendBody(request, response, 200, { ...headers, "content-type": page.type }, page.body);
}

/** Answers with a body; undefined: with none. */
export function sendBody(
  request: HttpRequest,
  response: HttpResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Buffer | undefined,
): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (body !== undefined) response.setHeader("content-length", body.length);
  if (body === undefined || request.method === "HEAD") response.end();
  else response.end(body);
}
