import type { Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { headOf } from "./answer.js";
import { type LeanCall, toAnswer } from "./call.js";
import { ENVELOPE_BYTES, seal, toEnvelope } from "./envelope.js";

/** Does a server stream: takes a message only when the client has room for it. */
export async function serveStream(call: LeanCall): Promise<void> {
  const { exchange, dialect, method, input, context, compression, calls } = call;
  const { serialize } = dialect.isBinary ? method.binary : method.json;
  let error: ConnectError | undefined;
  let isBegun = false;
  const begin = () => {
    if (!isBegun && !exchange.isClosed) exchange.begin(headOf(dialect, compression), dialect.needsHttp2);
    isBegun = true;
  };
  let hasRoom = () => {};
  exchange.onDrain(() => hasRoom());
  exchange.onClose(() => hasRoom());
  try {
    const close = calls.open(method.name);
    const { signal } = context;
    // The reader may leave before, or while, the messages are asked for.
    signal.addEventListener("abort", () => close("canceled"), { once: true });
    let messages: AsyncIterable<Message>;
    try {
      messages = method.run(input, context) as AsyncIterable<Message>;
    } catch (thrown) {
      const translated = calls.translate(thrown, method.name);
      close(codeToString(translated.code));
      throw translated;
    }
    for await (const message of calls.messages(messages, method.name, signal, close)) {
      const part = await seal(serialize(message, ENVELOPE_BYTES), compression);
      if (exchange.isClosed) break;
      begin();
      if (exchange.write(part)) continue;
      await new Promise<void>((resolve) => {
        hasRoom = resolve;
      });
    }
  } catch (thrown) {
    error = toAnswer(thrown);
  }
  context.done();
  const end = dialect.ending?.(error);
  if (end === undefined) return;
  if ("trailers" in end) {
    begin();
    if (!exchange.isClosed) exchange.end(undefined, end.trailers);
  } else {
    const last = await toEnvelope(end.flags, end.data, compression);
    begin();
    if (!exchange.isClosed) exchange.end(last);
  }
}
