import type { Interceptor } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { TaskQueueError } from "../model/common/errors.js";
import { readTraceHeaders } from "../model/log/trace-context.js";
import { STREAM_HEADERS } from "./http.js";
import { CALL_ITEM_ERRORS, CALL_ORIGIN, CALL_TRACE, type ProtocolName, type RpcCall } from "./rpc-call.js";
import { codeOfAbort, type RpcRecorder } from "./rpc-recorder.js";
import { spellingOf } from "./spelling.js";

/** Creates the interceptor that records the calls connect serves. */
export function createInterceptor(recorder: RpcRecorder): Interceptor {
  return (next) => async (request) => {
    const itemErrors: TaskQueueError[] = [];
    const asked = {
      method: `${request.service.typeName}/${request.method.name}`,
      spelling: spellingOf(request),
      protocolName: protocolNameOf(request.header.get("content-type")),
      ...request.contextValues.get(CALL_ORIGIN),
      traceContext: readTraceHeaders((name) => request.header.get(name)),
      itemErrors,
    };
    request.contextValues.set(CALL_ITEM_ERRORS, itemErrors);
    const span = recorder.trace(asked);
    const call: RpcCall = span === undefined ? asked : { ...asked, span, traceContext: span.context };
    request.contextValues.set(CALL_TRACE, call.traceContext);
    if (!request.stream) return recorder.unary(call, () => next(request));
    const close = recorder.open(call);
    // The client may leave before the first message is asked for, or while it is awaited.
    const { signal } = request;
    signal.addEventListener("abort", () => close(codeOfAbort(signal.reason)), { once: true });
    try {
      const response = await next(request);
      if (!response.stream) return response;
      for (const [name, value] of Object.entries(STREAM_HEADERS)) response.header.set(name, value);
      return { ...response, message: recorder.messages(response.message, call, signal, close) };
    } catch (error) {
      const translated = recorder.translate(error, call);
      close(codeToString(translated.code), translated);
      throw translated;
    }
  };
}

function protocolNameOf(contentType: string | null): ProtocolName {
  if (contentType?.startsWith("application/grpc-web")) return "grpc-web";
  return contentType?.startsWith("application/grpc") ? "grpc" : "connect";
}
