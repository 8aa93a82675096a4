import type { Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { MessageFeed } from "../message-feed.js";
import { type CloseStream, codeOfAbort } from "../rpc-recorder.js";
import type { FastCall } from "./fast-call.js";
import { FeedPump } from "./feed-pump.js";
import { StreamWriter } from "./stream-writer.js";

/** Serves a server stream. The next message is taken only when the client has room for it. */
export async function serveStream(call: FastCall, input: Message): Promise<void> {
  const { method, context, recorder } = call;
  const writer = new StreamWriter(call);
  let close: CloseStream | undefined;
  try {
    close = recorder.open(context);
    const messages = method.run(input, context) as AsyncIterable<Message>;
    if (messages instanceof MessageFeed) new FeedPump(call, messages, writer, close).start();
    else await writeAll(call, messages, writer, close);
  } catch (thrown) {
    const error = recorder.translate(thrown, context);
    close?.(codeToString(error.code), error);
    context.done();
    await writer.end(error);
  }
}

/** Writes the messages of a stream that is not a feed, one after the other. */
async function writeAll(
  { context, recorder }: FastCall,
  messages: AsyncIterable<Message>,
  writer: StreamWriter,
  close: CloseStream,
): Promise<void> {
  const { signal } = context;
  // The client may leave while the next message is awaited.
  signal.addEventListener("abort", () => close(codeOfAbort(signal.reason)), { once: true });
  let error: ConnectError | undefined;
  try {
    for await (const message of recorder.messages(messages, context, signal, close)) {
      const part = await writer.encode(message);
      if (!writer.write(part)) await writer.room();
      if (writer.isClosed) break;
    }
  } catch (thrown) {
    error = recorder.translate(thrown, context);
  }
  context.done();
  await writer.end(error);
}
