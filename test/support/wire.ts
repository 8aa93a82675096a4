import { request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http";
import { constants, type IncomingHttpHeaders as Http2Headers, connect as http2Connect } from "node:http2";
import { connect, type Socket } from "node:net";
import { within } from "./wait.js";

/** An answer as it was received. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders | Http2Headers;
  readonly trailers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** A request as it is sent. */
export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Uint8Array | string;
}

/** Sends one request over HTTP/1.1 on a connection of its own. */
export function http1(url: string, { method = "POST", path, headers, body }: RawRequest): Promise<Answer> {
  const answer = new Promise<Answer>((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const request = httpRequest({ hostname, port, path, method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode = 0, headers, trailers } = response;
        resolve({ status: statusCode, headers, trailers, body: Buffer.concat(chunks) });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
  return within(answer, `the answer to ${method} ${path}`);
}

/** Sends one request over cleartext HTTP/2 on a connection of its own. */
export function http2(url: string, { method = "POST", path, headers, body }: RawRequest): Promise<Answer> {
  const session = http2Connect(url);
  const answer = new Promise<Answer>((resolve, reject) => {
    session.on("error", reject);
    const stream = session.request({ ":method": method, ":path": path, ...headers });
    const chunks: Buffer[] = [];
    let head: Http2Headers = {};
    let trailers: Answer["trailers"] = {};
    stream.on("response", (given) => {
      head = given;
    });
    stream.on("trailers", (given) => {
      trailers = given;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("close", () => {
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) reject(new Error(`stream reset: ${stream.rstCode}`));
      resolve({ status: Number(head[":status"] ?? 0), headers: head, trailers, body: Buffer.concat(chunks) });
    });
    stream.end(body);
  });
  return within(answer, `the answer to ${method} ${path}`).finally(() => session.destroy());
}

/** Puts a message into an envelope of gRPC, gRPC-Web or Connect streams. */
export function envelope(message: Uint8Array | string, flags = 0): Buffer {
  const data = Buffer.from(message);
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(data.byteLength, 1);
  return Buffer.concat([head, data]);
}

/** Splits a body into its envelopes: flags and content. */
export function envelopes(body: Buffer): { readonly flags: number; readonly data: Buffer }[] {
  const found = [];
  for (let at = 0; at + 5 <= body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    found.push({ flags: body[at] ?? 0, data: body.subarray(at + 5, end) });
    at = end;
  }
  return found;
}

/** Opens a TCP connection. Its errors do not fail the test: the server may cut it. */
export async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  socket.on("error", () => {});
  await within(new Promise<void>((resolve) => socket.once("connect", resolve)), "a TCP connection");
  return socket;
}

/** Sends bytes over a new TCP connection, then its end. Returns what came back before `enough` resolved. */
export async function poke(port: number, bytes: Uint8Array, enough: () => Promise<unknown>): Promise<Buffer> {
  const socket = await open(port);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  await within(new Promise<void>((resolve) => socket.end(bytes, () => resolve())), "the sending of bytes");
  await enough().finally(() => socket.destroy());
  return Buffer.concat(chunks);
}

/**
 * Sends bytes over a new TCP connection, then its end. Returns everything that came back until the server closed it.
 */
export async function talk(port: number, bytes: Uint8Array | string): Promise<Buffer> {
  const socket = await open(port);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.end(bytes);
  await within(closed, "the end of a TCP connection").finally(() => socket.destroy());
  return Buffer.concat(chunks);
}
