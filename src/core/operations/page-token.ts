import { pageTokenInvalid } from "../../model/errors.js";

/** Where a listing over queues goes on: in this queue, after this position of the backend. */
export interface PagePosition {
  readonly queue: string;
  readonly after: string | undefined;
}

/** Writes a position as an opaque token that is good for the same filter only. */
export function writePageToken(filter: string, position: PagePosition): string {
  return Buffer.from(JSON.stringify([filter, position.queue, position.after ?? ""])).toString("base64url");
}

/** Reads a token; PAGE_TOKEN_INVALID when it is not one of this filter. */
export function readPageToken(filter: string, token: string): PagePosition {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(token, "base64url").toString());
  } catch {
    throw pageTokenInvalid();
  }
  if (!Array.isArray(parts) || parts.length !== 3 || parts.some((part) => typeof part !== "string")) {
    throw pageTokenInvalid();
  }
  const [made, queue, after] = parts as [string, string, string];
  if (made !== filter) throw pageTokenInvalid();
  return { queue, after: after === "" ? undefined : after };
}
