import type { Interceptor } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { codeOfAbort, type RpcRecorder } from "./rpc-recorder.js";

/** Creates the interceptor that records the calls connect serves. */
export function createInterceptor(recorder: RpcRecorder): Interceptor {
  return (next) => async (request) => {
    const method = `${request.service.typeName}/${request.method.name}`;
    if (!request.stream) return recorder.unary(method, () => next(request));
    const close = recorder.open(method);
    // The client may leave before the first message is asked for, or while it is awaited.
    const { signal } = request;
    signal.addEventListener("abort", () => close(codeOfAbort(signal.reason)), { once: true });
    try {
      const response = await next(request);
      if (!response.stream) return response;
      return { ...response, message: recorder.messages(response.message, method, signal, close) };
    } catch (error) {
      const translated = recorder.translate(error, method);
      close(codeToString(translated.code));
      throw translated;
    }
  };
}
