import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { jsonProblem, jsonProblemInSteps } from "./check-json.js";
import type { DecodeLimits } from "./decode-error.js";
import type { ValueBudget } from "./value-problem.js";

/** A text that is JSON: the member of a oneof whose name ends with `_json`, next to a google.protobuf.Value. */
export interface JsonMember {
  readonly case: string;
  readonly value: string;
}

type Group = JsonMember | { readonly case: undefined };

/** Finds the members of a message, in itself and in messages within it. */
type Find = (message: Record<string, unknown>) => Iterable<JsonMember>;

const known = new Map<DescMessage, Find | undefined>();

/** What was found out of members of large messages before anybody asked: what is wrong with each, if anything. */
const looked = new WeakMap<JsonMember, { readonly problem: string | undefined }>();

/**
 * Looks at all texts of a message that are JSON, each in some steps, and remembers what is wrong with them for `memberProblem`.
 */
export function* checkJsonFields(desc: DescMessage, message: Message, limits: DecodeLimits): Generator<void, void> {
  const find = finderOf(desc);
  if (find === undefined) return;
  const budget: ValueBudget = { valuesLeft: limits.messageValues };
  for (const member of find(message as unknown as Record<string, unknown>)) {
    looked.set(member, { problem: yield* jsonProblemInSteps(member.value, limits, budget) });
    yield;
  }
}

/** What keeps a text from being a payload; see `jsonProblem`. */
export function memberProblem(member: JsonMember, limits: DecodeLimits): string | undefined {
  const found = looked.get(member);
  return found === undefined ? jsonProblem(member.value, limits) : found.problem;
}

/** Makes the finder of a type once; undefined for one that has no such members. */
function finderOf(desc: DescMessage): Find | undefined {
  if (known.has(desc)) return known.get(desc);
  // No type of ours that has them is part of itself.
  known.set(desc, undefined);
  const parts = desc.fields.flatMap((field) => partOf(field) ?? []);
  const find: Find | undefined =
    parts.length === 0
      ? undefined
      : function* (message) {
          for (const part of parts) yield* part(message);
        };
  known.set(desc, find);
  return find;
}

function partOf(field: DescField): Find | undefined {
  const { localName, oneof, name, scalar, message: type } = field;
  if (oneof !== undefined && scalar === ScalarType.STRING && name.endsWith("_json")) {
    return (message) => {
      const group = message[oneof.localName] as Group;
      return group.case === localName ? [group as JsonMember] : [];
    };
  }
  const find = type && oneof === undefined ? finderOf(type) : undefined;
  if (find === undefined) return undefined;
  return function* (message) {
    const value = message[localName];
    for (const each of Array.isArray(value) ? value : value === undefined ? [] : [value]) yield* find(each);
  };
}
