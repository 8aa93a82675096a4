import { checkDigest, type ParsedTokens } from "./parse-tokens.js";
import { checkCaller, checkTogether, type TokenRecord } from "./token-record.js";

const KEYS = new Set(["name", "sha256", "scopes", "queues", "ends_at"]);

/** Parses the content of AUTH_TOKENS_FILE: `{"tokens":[{"name","sha256","scopes":[…],"queues":[…],"ends_at"}]}`. */
export function parseTokenFile(text: string): ParsedTokens {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    // The message of the parser shows a part of the text.
    return { records: [], problems: ["is not valid JSON"] };
  }
  const tokens = isObject(content) ? content.tokens : undefined;
  if (!Array.isArray(tokens)) return { records: [], problems: ['must be an object like {"tokens":[…]}'] };
  const problems: string[] = [];
  const records: TokenRecord[] = [];
  tokens.forEach((token: unknown, index) => {
    const found: string[] = [];
    const record = toRecord(token, found);
    problems.push(...found.map((problem) => `tokens[${index}]: ${problem}`));
    if (record !== undefined) records.push(record);
  });
  if (problems.length === 0) problems.push(...checkTogether(records, (index) => `tokens[${index}]`));
  return problems.length > 0 ? { records: [], problems } : { records, problems };
}

function toRecord(token: unknown, found: string[]): TokenRecord | undefined {
  if (!isObject(token)) {
    found.push("must be an object");
    return undefined;
  }
  if ("token" in token) found.push("a file has hashes only: write sha256, and not the token");
  else if (!Object.keys(token).every((key) => KEYS.has(key))) {
    found.push(`has a field that is none of ${[...KEYS].join(", ")}`);
  }
  const sha256 = checkDigest(token.sha256, found);
  const { name, scopes, queues, ends_at: endsAt } = token;
  const caller = checkCaller({ name, scopes, queues, endsAt }, found);
  return caller && sha256 !== undefined && found.length === 0 ? { ...caller, sha256 } : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
