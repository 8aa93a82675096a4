import { randomBytes } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { HttpRequest, HttpResponse } from "./http.js";

/** The header that names a request, in the request and in its answer. */
export const REQUEST_ID_HEADER = "x-request-id";

/** What a caller may name its request: what is safe in headers, logs and command lines. Anything else is replaced. */
const VALID = /^[\w.:/+=@-]{1,128}$/;

/**
 * Names requests: by the `x-request-id` of the caller when it is valid, else by an id of its own. That is a random text for
 * this server, and a count: unique, and made without a random number for each request.
 */
export class RequestIds {
  readonly #prefix: string;
  #count = 0;

  /** `prefix`: what the ids of this server begin with. Default: random. */
  constructor(prefix: string = BigInt(`0x${randomBytes(6).toString("hex")}`).toString(36)) {
    this.#prefix = `${prefix}-`;
  }

  /** The id of a request with these headers. It is made anew at each call where the caller gave none. */
  of(headers: IncomingHttpHeaders): string {
    const given = headers[REQUEST_ID_HEADER];
    if (given !== undefined && typeof given === "string" && VALID.test(given)) return given;
    return this.#prefix + (++this.#count).toString(36);
  }

  /** The id of a request: that which its answer has already, or a new one. */
  find(request: HttpRequest, response: HttpResponse): string {
    const known = response.getHeader(REQUEST_ID_HEADER);
    return typeof known === "string" ? known : this.of(request.headers);
  }

  /** Puts the id of a request into its answer, and returns it. Idempotent. */
  give(request: HttpRequest, response: HttpResponse): string {
    const id = this.find(request, response);
    response.setHeader(REQUEST_ID_HEADER, id);
    return id;
  }
}
