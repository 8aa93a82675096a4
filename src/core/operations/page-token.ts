import { pageTokenInvalid } from "../../model/common/errors.js";

/** Writes the position that a listing has got to as an opaque token that is good for the same filter only. */
export function writePageToken(filter: string, position: string): string {
  return Buffer.from(JSON.stringify([filter, position])).toString("base64url");
}

/** Reads the position of a token that is a value of JSON, of any form. PAGE_TOKEN_INVALID: anybody can make a token. */
export function readPagePosition(filter: string, token: string): unknown {
  const position = readPageToken(filter, token);
  try {
    return JSON.parse(position);
  } catch {
    throw pageTokenInvalid();
  }
}

/** Reads the position of a token; PAGE_TOKEN_INVALID when it is not one of this filter. */
export function readPageToken(filter: string, token: string): string {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(token, "base64url").toString());
  } catch {
    throw pageTokenInvalid();
  }
  if (!Array.isArray(parts) || parts.length !== 2 || parts.some((part) => typeof part !== "string")) {
    throw pageTokenInvalid();
  }
  const [made, position] = parts as [string, string];
  if (made !== filter) throw pageTokenInvalid();
  return position;
}
