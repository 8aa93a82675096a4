import type { JsonValue } from "@bufbuild/protobuf";
import type { Value } from "@bufbuild/protobuf/wkt";
import { fromValue, toValue } from "../../client/value.js";

/** Formats a protobuf Value as indented JSON. */
export function pretty(value: Value): string {
  return JSON.stringify(fromValue(value), null, 2);
}

/** JSON that was typed: the value, or what is wrong with it and where. */
export type Parsed = { readonly value: Value } | { readonly problem: string };

/** Parses JSON that was typed. */
export function parseJson(text: string): Parsed {
  try {
    return { value: toValue(JSON.parse(text) as JsonValue) };
  } catch (error) {
    return { problem: problemOf(text, error) };
  }
}

function problemOf(text: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const found = /position (\d+)/.exec(message);
  const what = message.replace(/ in JSON at position.*| \(line \d+.*| is not valid JSON$/s, "");
  if (found === null) return /end of/.test(message) ? "This JSON ends too early." : `This is not JSON: ${what}.`;
  const before = text.slice(0, Number(found[1])).split("\n");
  return `This is not JSON: ${what}, in line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}.`;
}
