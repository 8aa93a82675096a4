import { pageTokenInvalid } from "../../model/errors.js";

/** Where a listing over queues continues: in this queue, after this position (`ListPage.next`) of the backend. */
export interface PagePosition {
  readonly queue: string;
  readonly after: string | undefined;
}

/** Returns a position as an opaque page token, valid only with the same filter. */
export function writePageToken(filter: string, position: PagePosition): string {
  return Buffer.from(JSON.stringify([filter, position.queue, position.after ?? ""])).toString("base64url");
}

/** Returns the position in a page token; PAGE_TOKEN_INVALID if it was not made for this filter. */
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
