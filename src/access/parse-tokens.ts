import { hashToken, isToken, TOKEN_LENGTHS } from "./hash-token.js";
import { checkCaller, checkTogether, type TokenRecord } from "./token-record.js";

/** Tokens that were read, or what is wrong with them: not both. */
export interface ParsedTokens {
  readonly records: readonly TokenRecord[];
  /** Each says which token; none shows a part of one. */
  readonly problems: readonly string[];
}

const KEYS = ["name", "token", "sha256", "scopes", "queues", "ends_at"] as const;

type Key = (typeof KEYS)[number];

/**
 * Parses AUTH_TOKENS: tokens parted by `;` or line ends, each of words like
 * `name=shop token=… scopes=produce,read queues=mail,orders* ends_at=2027-01-31`; `sha256=` instead of `token=` gives only its
 * hash.
 */
export function parseTokens(text: string): ParsedTokens {
  const entries = text.split(/[;\n]/).flatMap((entry) => entry.trim() || []);
  const problems: string[] = [];
  const records: TokenRecord[] = [];
  entries.forEach((entry, index) => {
    const { record, found } = parseEntry(entry);
    problems.push(...found.map((problem) => `token ${index + 1}: ${problem}`));
    if (record !== undefined) records.push(record);
  });
  if (entries.length === 0) problems.push("has no token");
  if (problems.length === 0) problems.push(...checkTogether(records, (index) => `token ${index + 1}`));
  return problems.length > 0 ? { records: [], problems } : { records, problems };
}

function parseEntry(entry: string): { readonly record: TokenRecord | undefined; readonly found: string[] } {
  const found: string[] = [];
  const parts: Partial<Record<Key, string>> = {};
  for (const [index, word] of entry.split(/\s+/).entries()) {
    const at = word.indexOf("=");
    const key = KEYS.find((each) => each === word.slice(0, Math.max(0, at)));
    if (key === undefined)
      found.push(`word ${index + 1} must begin with one of ${KEYS.map((each) => `${each}=`).join(" ")}`);
    else if (parts[key] !== undefined) found.push(`${key} is given twice`);
    else parts[key] = word.slice(at + 1);
  }
  const { name, token, sha256, scopes, queues, ends_at: endsAt } = parts;
  const digest = toDigest(token, sha256, found);
  const given = { name, scopes: scopes?.split(","), queues: queues?.split(","), endsAt };
  const caller = checkCaller(given, found);
  const record = caller && digest !== undefined && found.length === 0 ? { ...caller, sha256: digest } : undefined;
  return { record, found };
}

function toDigest(token: string | undefined, sha256: string | undefined, found: string[]): string | undefined {
  if ((token === undefined) === (sha256 === undefined)) {
    found.push("must have one of token= and sha256=");
    return undefined;
  }
  if (sha256 !== undefined) return checkDigest(sha256, found);
  const { min, max } = TOKEN_LENGTHS;
  const given = token ?? "";
  if (given.length >= min && given.length <= max && isToken(given)) return hashToken(given);
  found.push(`token must be ${min} to ${max} letters, digits or . _ ~ + / -, then any number of =`);
  return undefined;
}

/** A SHA-256 in lower case; undefined for what is none, which is added to `found`. */
export function checkDigest(text: unknown, found: string[]): string | undefined {
  if (typeof text === "string" && /^[0-9a-fA-F]{64}$/.test(text)) return text.toLowerCase();
  found.push("sha256 must be the 64 hexadecimal digits of the token's SHA-256");
  return undefined;
}
