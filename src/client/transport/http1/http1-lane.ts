import type { SecureClientSessionOptions } from "node:http2";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { contentTypeUnaryJson, contentTypeUnaryProto } from "@connectrpc/connect/protocol-connect";
import { authorityOf } from "../authority.js";
import type { CallRequest } from "../http-message.js";
import { type Http1Answer, Http1AnswerReader } from "./http1-answer.js";

/** So many calls within `BUSY_MS`, one at a time, are worth a connection of their own. */
const BUSY_CALLS = 10;
const BUSY_MS = 1000;

/** A connection that nobody used for so long is closed, ms: sooner than servers do it. */
const IDLE_MS = 3000;

/** How often that is looked at, ms. */
const CHECK_MS = 1000;

/** How long it may take to open it, ms. */
const OPEN_MS = 10_000;

/** Least time between two tries to open it, ms: after a connection that brought an answer, and after one that did not. */
const RETRY_MS = 1000;
const UNPROVEN_MS = 30_000;

/** For how long it is not opened after an answer that was none of a server of GoTaskQ, ms. */
const BARRED_MS = 600_000;

/** A larger body is not copied behind its head. */
const MAX_COPIED_BYTES = 1 << 14;

/** Settings of a lane. Durations in ms. */
export interface Http1LaneOptions {
  /** The server, `http://` or `https://`. */
  readonly url: string;
  /** Of TLS. */
  readonly secure?: SecureClientSessionOptions | undefined;
  /** Tells the time, ms, on a clock that never steps back. */
  readonly now?: (() => number) | undefined;
}

/** Called once: with the answer; with undefined when there is none, and the call has to be made in another way; or `closed` by `close`. */
export type Answered = (answer: Http1Answer | "closed" | undefined) => void;

/**
 * A connection of HTTP/1.1 for calls that are made one at a time, which cost a third there of what a stream of `node:http2` costs client
 * and server. It takes a call only when it is open and free, so that no call waits for another; all others go over HTTP/2.
 *
 * | state   | until |
 * |---------|-------|
 * | closed  | calls come one soon after the other: then it is opened, beside them |
 * | opening | it is open, or cannot be opened |
 * | free    | a call comes, nobody has used it for a while, or the server closes it |
 * | busy    | the answer is complete, or the connection is broken |
 *
 * It has no errors of its own: whatever happens here to a call, it is made again over HTTP/2, which says what is wrong. So it takes
 * only calls that are safe to repeat.
 */
export class Http1Lane {
  readonly #url: URL;
  readonly #authority: string;
  readonly #secure: SecureClientSessionOptions;
  readonly #now: () => number;
  #socket: Socket | undefined;
  #isOpen = false;
  /** Whether the connection has brought an answer. */
  #isProven = false;
  #isOver = false;
  #reader = new Http1AnswerReader();
  /** Of the call under way. */
  #answered: Answered | undefined;
  #usedAt = 0;
  #checking: NodeJS.Timeout | undefined;
  /** Calls since then, while it is closed. */
  #countedFrom = Number.NEGATIVE_INFINITY;
  #calls = 0;
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor({ url, secure = {}, now = () => performance.now() }: Http1LaneOptions) {
    this.#url = new URL(url);
    this.#authority = authorityOf(url, secure);
    this.#secure = secure;
    this.#now = now;
  }

  /** Whether there is no connection, nor one that is being opened. */
  get isClosed(): boolean {
    return this.#socket === undefined;
  }

  /**
   * Sends a request, if it is free. Returns what gives the call up, without `answered` being called; undefined: the call has to be made
   * in another way. `answered` is called in a later turn.
   */
  post(request: CallRequest, answered: Answered): (() => void) | undefined {
    const socket = this.#socket;
    if (socket === undefined) this.#openIfBusy();
    if (socket === undefined || !this.#isOpen || this.#answered !== undefined) return undefined;
    const head = this.#headOf(request);
    if (head === undefined) return undefined;
    this.#answered = answered;
    this.#usedAt = this.#now();
    // A call under way keeps the process alive, the connection does not.
    socket.ref();
    send(socket, head, request.body);
    return () => {
      // The server learns by this that nobody waits any more.
      if (this.#answered === answered) this.#leave(socket, undefined);
    };
  }

  /** Closes it for good, and tells a call under way. */
  close(): void {
    this.#isOver = true;
    const answered = this.#answered;
    if (this.#socket !== undefined) this.#leave(this.#socket, undefined);
    answered?.("closed");
  }

  #openIfBusy(): void {
    const now = this.#now();
    if (now - this.#countedFrom > BUSY_MS) {
      this.#countedFrom = now;
      this.#calls = 0;
    }
    if (++this.#calls < BUSY_CALLS || now < this.#notBefore || this.#isOver) return;
    this.#notBefore = now + RETRY_MS;
    this.#open();
  }

  #open(): void {
    const { hostname, port, protocol } = this.#url;
    const isSecure = protocol === "https:";
    const host = hostname.replace(/^\[(.*)\]$/, "$1");
    const at = { host, port: Number(port || (isSecure ? 443 : 80)), noDelay: true };
    const name = isIP(host) === 0 ? { servername: host } : {};
    let socket: Socket;
    try {
      socket = isSecure ? connectTls({ ...name, ...this.#secure, ...at, ALPNProtocols: ["http/1.1"] }) : connect(at);
    } catch {
      // A key that is none, or the like: HTTP/2 says so.
      return;
    }
    this.#socket = socket;
    this.#isProven = false;
    this.#usedAt = this.#now();
    this.#checking = setInterval(() => this.#check(socket), CHECK_MS).unref();
    this.#reader = new Http1AnswerReader();
    socket.unref();
    socket.once(isSecure ? "secureConnect" : "connect", () => {
      if (socket !== this.#socket) return;
      this.#isOpen = true;
      this.#usedAt = this.#now();
    });
    socket.on("data", (chunk) => this.#received(socket, chunk));
    // Why it broke does not matter: the call that is made instead finds that out.
    socket.on("error", () => {});
    const broken = () => {
      if (socket !== this.#socket) return;
      // The server may have no room for it: it is not to be asked again and again.
      if (!this.#isProven) this.#notBefore = this.#now() + UNPROVEN_MS;
      this.#leave(socket, this.#answered);
    };
    socket.on("end", broken);
    socket.on("close", broken);
  }

  #received(socket: Socket, chunk: Buffer): void {
    if (socket !== this.#socket) return;
    const answered = this.#answered;
    this.#usedAt = this.#now();
    const answer = answered === undefined ? "strange" : this.#reader.read(chunk);
    if (answer === undefined) return;
    if (answer === "strange" || !isOfServer(answer)) {
      // After good answers, bytes that nobody asked for are how a server says why it closes an idle connection.
      if (answered !== undefined || !this.#isProven) this.#notBefore = this.#usedAt + BARRED_MS;
      this.#leave(socket, answered);
      return;
    }
    this.#answered = undefined;
    this.#isProven = true;
    socket.unref();
    if (answer.isLast) this.#leave(socket, undefined);
    answered?.(answer);
  }

  #check(socket: Socket): void {
    // However long an answer takes: the deadline of its call rules.
    if (this.#answered !== undefined) return;
    if (this.#now() - this.#usedAt > (this.#isOpen ? IDLE_MS : OPEN_MS)) this.#leave(socket, undefined);
  }

  /** Closes the connection, and hands on a call that was under way. */
  #leave(socket: Socket, answered: Answered | undefined): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    this.#isOpen = false;
    this.#answered = undefined;
    clearInterval(this.#checking);
    socket.destroy();
    answered?.(undefined);
  }

  /** The head of a request; undefined: it has a header that no HTTP has, which HTTP/2 is to say. */
  #headOf({ path, headers, body }: CallRequest): string | undefined {
    let head = `POST ${path} HTTP/1.1\r\nhost: ${this.#authority}\r\ncontent-length: ${body.byteLength}\r\n`;
    for (const name in headers) {
      const value = String(headers[name]);
      if (NOT_IN_VALUES.test(value)) return undefined;
      head += `${name}: ${value}\r\n`;
    }
    return `${head}\r\n`;
  }
}

const NOT_IN_VALUES = /[^\t\x20-\x7e\x80-\xff]/;

/** Sends it by one write. */
function send(socket: Socket, head: string, body: Uint8Array): void {
  if (body.byteLength <= MAX_COPIED_BYTES) {
    const bytes = Buffer.allocUnsafe(head.length + body.byteLength);
    bytes.write(head, "latin1");
    bytes.set(body, head.length);
    socket.write(bytes);
  } else {
    socket.cork();
    socket.write(head, "latin1");
    socket.write(body);
    socket.uncork();
  }
}

/** Whether it is a message, or an error as the server writes it. All else comes from what stands between, or from another server. */
function isOfServer({ head }: Http1Answer): boolean {
  if (head["content-encoding"] !== undefined) return false;
  return head["content-type"] === (head[":status"] === 200 ? contentTypeUnaryProto : contentTypeUnaryJson);
}
