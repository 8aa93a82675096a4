import type { DescMethod } from "@bufbuild/protobuf";
import { ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { type Refusal, toRefusal } from "./rpc.js";
import { within } from "./wait.js";

/** The protocols, each by the version of HTTP that it has in most programs. */
export const PROTOCOLS = ["connect", "grpc", "grpc-web"] as const;

/** A transport that sends a token; undefined: none. */
export function transportAs(
  baseUrl: string,
  token: string | undefined,
  protocol: (typeof PROTOCOLS)[number] = "connect",
  useHttpGet = false,
): Transport {
  const send: Interceptor = (next) => (request) => {
    if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  const options = { baseUrl, interceptors: [send] };
  if (protocol === "grpc") return createGrpcTransport(options);
  if (protocol === "grpc-web") return createGrpcWebTransport({ ...options, httpVersion: "1.1" });
  return createConnectTransport({ ...options, httpVersion: "2", useHttpGet, useBinaryFormat: false });
}

/** Makes a call of any kind, and leaves its stream after the first message. Resolves to the refusal; undefined: there was none. */
export async function refusalOf(
  transport: Transport,
  method: DescMethod,
  message: Record<string, unknown>,
): Promise<Refusal | undefined> {
  const controller = new AbortController();
  try {
    if (method.methodKind === "unary") {
      await within(transport.unary(method as never, controller.signal, 20_000, undefined, message), method.name);
      return undefined;
    }
    const input = createAsyncIterable([message]);
    const opening = transport.stream(method as never, controller.signal, 20_000, undefined, input as never);
    const { message: messages } = await within(opening, method.name);
    await within(messages[Symbol.asyncIterator]().next(), method.name);
    return undefined;
  } catch (error) {
    return toRefusal(ConnectError.from(error));
  } finally {
    controller.abort();
  }
}

/** Whether a call was refused for who makes it. */
export function isOfAccess(refusal: Refusal | undefined): boolean {
  return refusal?.code === "UNAUTHENTICATED" || refusal?.code === "PERMISSION_DENIED";
}
