import type {
  DescMethod,
  DescMethodServerStreaming,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { type CallOptions, type Client, createClient, type Transport } from "@connectrpc/connect";

type Open = (input: MessageInitShape<never>, options?: CallOptions) => AsyncIterable<unknown>;

/**
 * Creates the client of a service, as Connect does, but without the generators that Connect puts around each stream: with many small
 * messages, as those of a worker, they cost as much as the messages.
 */
export function createRpc<S extends DescService>(service: S, transport: Transport): Client<S> {
  const client = createClient(service, transport) as Record<string, unknown>;
  for (const method of service.methods) {
    if (isServerStreaming(method)) client[method.localName] = opener(transport, method);
  }
  return client as Client<S>;
}

function isServerStreaming(method: DescMethod): method is DescMethodServerStreaming {
  return method.methodKind === "server_streaming";
}

function opener(transport: Transport, method: DescMethodServerStreaming): Open {
  return (input, options = {}) => {
    const { signal, timeoutMs, headers, contextValues, onHeader, onTrailer } = options;
    const response = transport.stream(method, signal, timeoutMs, headers, only(input), contextValues);
    return {
      [Symbol.asyncIterator]() {
        let messages: AsyncIterator<MessageShape<typeof method.output>> | undefined;
        const begun = response.then((answer) => {
          onHeader?.(answer.header);
          const iterator = answer.message[Symbol.asyncIterator]();
          messages = onTrailer === undefined ? iterator : tellingEnd(iterator, () => onTrailer(answer.trailer));
          return messages;
        });
        return { next: () => (messages === undefined ? begun.then((first) => first.next()) : messages.next()) };
      },
    };
  };
}

async function* only<T>(input: T): AsyncGenerator<T> {
  yield input;
}

function tellingEnd<T>(messages: AsyncIterator<T>, ended: () => void): AsyncIterator<T> {
  return {
    async next() {
      const result = await messages.next();
      if (result.done) ended();
      return result;
    },
  };
}
