import type { IncomingMessage, ServerResponse } from "node:http";

/**
 * Whether a request of HTTP/1.1 may be taken for another one by what stands between: one that names two hosts (Node joins headers
 * that come twice), or whose body is encoded in a way that not everybody reads. Node's parser refuses the other kinds.
 */
export function isAmbiguous({ headers }: IncomingMessage): boolean {
  const encoding = headers["transfer-encoding"];
  return headers.host?.includes(",") === true || (encoding !== undefined && encoding.toLowerCase() !== "chunked");
}

/** Refuses such a request, and ends its connection: where the next one begins is not known. */
export function refuseAmbiguous(response: ServerResponse): void {
  response.writeHead(400, {
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
    connection: "close",
  });
  response.end("a request must name one host, and may have no other transfer-encoding than chunked\n");
}
