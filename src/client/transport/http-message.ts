import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";

/** What is sent. */
export interface CallRequest {
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Uint8Array;
}

/** A response as it begins. */
export type ResponseHead = IncomingHttpHeaders & { readonly ":status"?: number };
