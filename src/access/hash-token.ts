import { createHash, randomBytes } from "node:crypto";

/** The SHA-256 of a token in hexadecimal digits: what AUTH_TOKENS and AUTH_TOKENS_FILE keep of it. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** Makes a token of 256 random bits: `gtq_` and 43 characters that need no quoting. */
export function newToken(): string {
  return `gtq_${randomBytes(32).toString("base64url")}`;
}

/** Fewest and most characters of a token. */
export const TOKEN_LENGTHS = { min: 16, max: 4096 } as const;

/** Whether a text has the form of a bearer token (RFC 6750). */
export function isToken(text: string): boolean {
  return /^[A-Za-z0-9._~+/-]+=*$/.test(text);
}
