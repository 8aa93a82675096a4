import type { ResponseHead } from "../http-message.js";

/** An answer as a call takes it. */
export interface Http1Answer {
  readonly head: ResponseHead;
  readonly body: Buffer;
  /** Whether the server takes no further request on the connection. */
  readonly isLast: boolean;
}

/** Longest head of an answer, bytes: more than a server of GoTaskQ writes. */
const MAX_HEAD_BYTES = 64 * 1024;

/** Headers of the connection, not of the answer: HTTP/2 has none of them (RFC 9113, section 8.2.2). */
const OF_CONNECTION: ReadonlySet<string> = new Set(["connection", "keep-alive", "proxy-connection", "upgrade"]);

const VERSION = "HTTP/1.1 ";

const END_OF_HEAD = "\r\n\r\n";

/**
 * Reads answers of HTTP/1.1, one after the other, as a server of GoTaskQ writes them: a status, headers, and a body whose length is told.
 * It knows nothing else on purpose. Whatever looks different (chunks, another version, no length, bytes that nobody asked for) is
 * `strange`, and the call is made in another way.
 */
export class Http1AnswerReader {
  #head: ResponseHead | undefined;
  #isLast = false;
  #length = 0;
  #parts: Buffer[] = [];
  #size = 0;

  /** Takes the next bytes. Returns the answer when it is complete, and undefined while it is not. */
  read(chunk: Buffer): Http1Answer | "strange" | undefined {
    this.#parts.push(chunk);
    this.#size += chunk.byteLength;
    if (this.#head === undefined) {
      const bytes = this.#joined();
      // Of another protocol: no end of a head may ever come.
      if (!VERSION.startsWith(bytes.toString("latin1", 0, VERSION.length))) return "strange";
      const end = bytes.indexOf(END_OF_HEAD, 0, "latin1");
      if (end === -1) return bytes.byteLength > MAX_HEAD_BYTES ? "strange" : undefined;
      if (!this.#readHead(bytes.toString("latin1", 0, end))) return "strange";
      const body = bytes.subarray(end + END_OF_HEAD.length);
      this.#parts = [body];
      this.#size = body.byteLength;
    }
    if (this.#size < this.#length) return undefined;
    if (this.#size > this.#length) return "strange";
    const answer = { head: this.#head as ResponseHead, body: this.#joined(), isLast: this.#isLast };
    this.#head = undefined;
    this.#parts = [];
    this.#size = 0;
    return answer;
  }

  #joined(): Buffer {
    const [first] = this.#parts;
    if (first !== undefined && this.#parts.length === 1) return first;
    const joined = Buffer.concat(this.#parts, this.#size);
    this.#parts = [joined];
    return joined;
  }

  /** Returns whether it is a head that is known. */
  #readHead(text: string): boolean {
    const [first = "", ...lines] = text.split("\r\n");
    const status = /^HTTP\/1\.1 ([2-5]\d\d)(?: |$)/.exec(first)?.[1];
    // These have no body, whatever their head says.
    if (status === undefined || status === "204" || status === "304") return false;
    const head: Record<string, string | number | string[]> = { ":status": Number(status) };
    let connection = "";
    let length: string | undefined;
    for (const line of lines) {
      const colon = line.indexOf(":");
      const name = line.slice(0, colon).toLowerCase();
      if (colon < 1 || /[^!#$%&'*+\-.^_`|~0-9a-z]/.test(name)) return false;
      const value = line.slice(colon + 1).trim();
      if (name === "transfer-encoding") return false;
      if (name === "connection") connection += `,${value.toLowerCase()}`;
      if (name === "content-length") {
        if (length !== undefined || !/^\d{1,15}$/.test(value)) return false;
        length = value;
      }
      if (!OF_CONNECTION.has(name)) add(head, name, value);
    }
    if (length === undefined) return false;
    this.#length = Number(length);
    this.#isLast = /,\s*close\s*(,|$)/.test(connection);
    this.#head = head as ResponseHead;
    return true;
  }
}

/** As Node does it for HTTP/2: cookies are a list, all others one text. */
function add(head: Record<string, string | number | string[]>, name: string, value: string): void {
  const former = head[name];
  if (name === "set-cookie") head[name] = Array.isArray(former) ? [...former, value] : [value];
  else head[name] = former === undefined ? value : `${former}, ${value}`;
}
