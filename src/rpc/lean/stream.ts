import type { Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { type CloseStream, codeOfAbort } from "../calls.js";
import { MessageFeed } from "../message-feed.js";
import { type LeanCall, toAnswer } from "./call.js";
import { FeedPump } from "./feed-pump.js";
import { StreamWriter } from "./stream-writer.js";

/** Does a server stream: takes a message only when the client has room for it. */
export async function serveStream(call: LeanCall): Promise<void> {
  const { method, input, context, calls } = call;
  const writer = new StreamWriter(call);
  let close: CloseStream | undefined;
  try {
    close = calls.open(method.name);
    const messages = method.run(input, context) as AsyncIterable<Message>;
    if (messages instanceof MessageFeed) new FeedPump(call, messages, writer, close).start();
    else await writeAll(call, messages, writer, close);
  } catch (thrown) {
    const error = calls.translate(thrown, method.name);
    close?.(codeToString(error.code));
    context.done();
    await writer.end(error);
  }
}

/** Writes the messages of any stream, one after the other. */
async function writeAll(
  { method, context, calls }: LeanCall,
  messages: AsyncIterable<Message>,
  writer: StreamWriter,
  close: CloseStream,
): Promise<void> {
  const { signal } = context;
  // The reader may leave while the messages are asked for.
  signal.addEventListener("abort", () => close(codeOfAbort(signal.reason)), { once: true });
  let error: ConnectError | undefined;
  try {
    for await (const message of calls.messages(messages, method.name, signal, close)) {
      const part = await writer.seal(message);
      if (!writer.write(part)) await writer.room();
      if (writer.isClosed) break;
    }
  } catch (thrown) {
    error = toAnswer(thrown);
  }
  context.done();
  await writer.end(error);
}
