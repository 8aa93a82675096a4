import { Code, ConnectError } from "@connectrpc/connect";
import { type CallBounds, HttpCall } from "./http-call.js";
import type { ResponseHead } from "./http-message.js";
import { checkHead, errorOfBody } from "./response.js";

/** A response, complete. */
export interface UnaryAnswer {
  readonly head: ResponseHead;
  readonly body: Uint8Array;
}

const NOTHING = Buffer.alloc(0);

/** A call with one response. */
export class UnaryCall extends HttpCall {
  /** The response. Rejects with a ConnectError. */
  readonly answer: Promise<UnaryAnswer>;
  #resolve!: (answer: UnaryAnswer) => void;
  #reject!: (error: unknown) => void;
  #head: ResponseHead | undefined;
  /** What the response says by its status, if that is an error: the body tells more. */
  #unaryError: ConnectError | undefined;
  #body: Buffer = NOTHING;
  #parts: Buffer[] | undefined;

  constructor(bounds: CallBounds) {
    super(bounds);
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  protected responded(head: ResponseHead): void {
    this.#head = head;
    try {
      this.#unaryError = checkHead("unary", head);
    } catch (error) {
      this.fail(error as ConnectError);
    }
  }

  protected received(chunk: Buffer): void {
    // Nearly always it is the only one.
    if (this.#body === NOTHING) this.#body = chunk;
    else if (this.#parts === undefined) this.#parts = [this.#body, chunk];
    else this.#parts.push(chunk);
  }

  protected completed(): void {
    const head = this.#head;
    // A stream that is closed without a response ends too.
    if (head === undefined) {
      this.closed();
      return;
    }
    const body = this.#parts === undefined ? this.#body : Buffer.concat(this.#parts);
    const promised = head["content-length"];
    if (promised !== undefined && Number(promised) !== body.byteLength) {
      const message = `protocol error: promised ${promised} bytes, received ${body.byteLength}`;
      this.fail(new ConnectError(message, Code.InvalidArgument));
      return;
    }
    this.end();
    if (this.#unaryError === undefined) this.#resolve({ head, body });
    else this.#reject(errorOfBody(head, body, this.#unaryError));
  }

  protected failed(error: ConnectError): void {
    this.#reject(error);
  }
}
