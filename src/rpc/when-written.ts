import type { Message } from "@bufbuild/protobuf";

/** What a service wants to know of its answer. */
export interface WrittenListener {
  /** Called when the answer was handed to the operating system, or, over HTTP/2, as far as the client's window took it. */
  left(): void;
  /** Called when the client left before that. */
  failed(): void;
}

const LISTENER = Symbol("written");

type Listened = Message & { readonly [LISTENER]?: WrittenListener };

/** Returns the answer of a unary call with a listener, of which one method is called once. */
export function whenWritten<M extends Message>(answer: M, listener: WrittenListener): M {
  return Object.assign(answer, { [LISTENER]: listener });
}

/** The listener of an answer. */
export function writtenListenerOf(answer: Message): WrittenListener | undefined {
  return (answer as Listened)[LISTENER];
}
