import { setTimeout as delay } from "node:timers/promises";
import type { FileRegistry, Message } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { type Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { type ServiceImplSpec, spec } from "../../src/rpc/services/services.js";
import { messageOf, PACKAGE } from "./files.js";

// The service that the suite calls: each request says what is to be answered, and the answer says what was asked. The
// types are what is used of the suite's messages.

interface Header {
  readonly name: string;
  readonly value: readonly string[];
}

interface Failure {
  readonly code: number;
  readonly message?: string;
  readonly details: readonly Any[];
}

interface Definition {
  readonly responseHeaders: readonly Header[];
  readonly responseTrailers: readonly Header[];
  /** Before each response, ms. */
  readonly responseDelayMs: number;
}

interface UnaryDefinition extends Definition {
  readonly response:
    | { readonly case: "responseData"; readonly value: Uint8Array }
    | { readonly case: "error"; readonly value: Failure }
    | { readonly case: undefined; readonly value?: undefined };
}

interface StreamDefinition extends Definition {
  readonly responseData: readonly Uint8Array[];
  readonly error?: Failure;
}

type UnaryRequest = Message & { readonly responseDefinition?: UnaryDefinition };
type StreamRequest = Message & { readonly responseDefinition?: StreamDefinition };
type BidiRequest = StreamRequest & { readonly fullDuplex: boolean };

/** What a service of ours may look at, on either path. */
type Context = Pick<
  HandlerContext,
  "signal" | "timeoutMs" | "requestMethod" | "requestHeader" | "responseHeader" | "responseTrailer"
> &
  Partial<Pick<HandlerContext, "url">>;

/** What a request looked like. */
interface RequestInfo {
  readonly requestHeaders: readonly Header[];
  readonly requests: readonly Any[];
  readonly timeoutMs?: bigint;
  readonly connectGetInfo?: { readonly queryParams: readonly Header[] };
}

/** Makes the service; `unimplemented` is left out, as its name says. */
export function createConformanceService(types: FileRegistry): ServiceImplSpec {
  const desc = types.getService(`${PACKAGE}.ConformanceService`);
  if (desc === undefined) throw new Error("the suite has no ConformanceService");
  const requestInfo = messageOf(types, "ConformancePayload.RequestInfo");

  function pack(message: Message): Any {
    return anyPack(messageOf(types, message.$typeName.slice(PACKAGE.length + 1)), message);
  }

  /** The error that was asked for; with what was asked, when nothing else has said that. */
  function toError({ code, message, details }: Failure, info: RequestInfo | undefined): ConnectError {
    const error = new ConnectError(message ?? "", code as Code);
    for (const { typeUrl, value } of details) {
      error.details.push({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value });
    }
    if (info !== undefined) error.details.push({ desc: requestInfo, value: { ...info } });
    return error;
  }

  async function answerOne(definition: UnaryDefinition | undefined, requests: readonly Any[], context: Context) {
    addHeaders(definition, context);
    await wait(definition, context);
    const info = infoOf(requests, context);
    const { response } = definition ?? {};
    if (response?.case === "error") throw toError(response.value, info);
    return { payload: { requestInfo: info, ...(response?.case && { data: response.value }) } };
  }

  const unary = (request: UnaryRequest, context: Context) =>
    answerOne(request.responseDefinition, [pack(request)], context);

  async function clientStream(requests: AsyncIterable<UnaryRequest>, context: Context) {
    const received: Any[] = [];
    let definition: UnaryDefinition | undefined;
    for await (const request of requests) {
      if (received.length === 0) definition = request.responseDefinition;
      received.push(pack(request));
    }
    return answerOne(definition, received, context);
  }

  async function* serverStream(request: StreamRequest, context: Context) {
    const { responseDefinition: definition } = request;
    addHeaders(definition, context);
    const info = infoOf([pack(request)], context);
    let isFirst = true;
    for (const data of definition?.responseData ?? []) {
      await wait(definition, context);
      yield { payload: { data, ...(isFirst && { requestInfo: info }) } };
      isFirst = false;
    }
    if (definition?.error !== undefined) throw toError(definition.error, isFirst ? info : undefined);
  }

  async function* bidiStream(requests: AsyncIterable<BidiRequest>, context: Context) {
    let definition: StreamDefinition | undefined;
    let isFullDuplex: boolean | undefined;
    let sent = 0;
    let received: Any[] = [];
    for await (const request of requests) {
      if (isFullDuplex === undefined) {
        isFullDuplex = request.fullDuplex;
        definition = request.responseDefinition;
        addHeaders(definition, context);
      }
      received.push(pack(request));
      if (!isFullDuplex) continue;
      const data = definition?.responseData[sent];
      if (data === undefined) break;
      await wait(definition, context);
      yield { payload: { data, requestInfo: infoOf(received, context) } };
      sent++;
      received = [];
    }
    // All of them, when the client was to finish first; otherwise those that no request is left for.
    for (const data of definition?.responseData.slice(sent) ?? []) {
      await wait(definition, context);
      yield { payload: { data, ...(sent === 0 && { requestInfo: infoOf(received, context) }) } };
      sent++;
    }
    if (definition?.error !== undefined) {
      throw toError(definition.error, sent === 0 ? infoOf(received, context) : undefined);
    }
  }

  const impl = { unary, idempotentUnary: unary, clientStream, serverStream, bidiStream };
  return spec(desc, impl as object);
}

function infoOf(requests: readonly Any[], context: Context): RequestInfo {
  const timeoutMs = context.timeoutMs();
  const { requestMethod, url = "" } = context;
  return {
    requestHeaders: toHeaders(context.requestHeader),
    requests,
    ...(timeoutMs !== undefined && { timeoutMs: BigInt(timeoutMs) }),
    ...(requestMethod === "GET" && { connectGetInfo: { queryParams: toHeaders(new URL(url).searchParams) } }),
  };
}

function toHeaders(entries: Headers | URLSearchParams): Header[] {
  const headers: Header[] = [];
  entries.forEach((value, name) => {
    headers.push({ name, value: [value] });
  });
  return headers;
}

function addHeaders(definition: Definition | undefined, context: Context): void {
  for (const { name, value } of definition?.responseHeaders ?? []) {
    for (const one of value) context.responseHeader.append(name, one);
  }
  for (const { name, value } of definition?.responseTrailers ?? []) {
    for (const one of value) context.responseTrailer.append(name, one);
  }
}

/** Waits as long as the request says, unless the client leaves or its deadline passes before. */
async function wait(definition: Definition | undefined, { signal }: Context): Promise<void> {
  const ms = definition?.responseDelayMs ?? 0;
  if (ms === 0) return;
  await delay(ms, undefined, { signal }).catch(() => {
    throw signal.reason;
  });
}
