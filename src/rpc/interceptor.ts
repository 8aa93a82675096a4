import type { Interceptor } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { type Calls, codeOfAbort } from "./calls.js";

/** Puts the calls that connect serves on the account of all calls. */
export function createInterceptor(calls: Calls): Interceptor {
  return (next) => async (request) => {
    const method = `${request.service.typeName}/${request.method.name}`;
    if (!request.stream) return calls.unary(method, () => next(request));
    const close = calls.open(method);
    // The reader may leave before, or while, the messages are asked for.
    const { signal } = request;
    signal.addEventListener("abort", () => close(codeOfAbort(signal.reason)), { once: true });
    try {
      const response = await next(request);
      if (!response.stream) return response;
      return { ...response, message: calls.messages(response.message, method, signal, close) };
    } catch (error) {
      const translated = calls.translate(error, method);
      close(codeToString(translated.code));
      throw translated;
    }
  };
}
