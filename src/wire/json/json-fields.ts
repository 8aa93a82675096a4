import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import type { DecodeLimits } from "../decode-error.js";
import { jsonProblem, jsonProblemInSteps } from "./check-json.js";
import type { ValueBudget } from "./value-problem.js";

/** A text that is JSON: the member of a oneof whose name ends with `_json`, next to a google.protobuf.Value. */
export interface JsonMember {
  readonly case: string;
  readonly value: string;
}

type Group = JsonMember | { readonly case: undefined };

/** Adds the members of a message to a list: of itself and of messages within it. */
type Find = (message: Record<string, unknown>, found: JsonMember[]) => void;

const known = new Map<DescMessage, Find | undefined>();

/** Stands in members that were looked at before anybody asked: what is wrong with each; undefined: nothing. */
const PROBLEM = Symbol("problem");

type Looked = { [PROBLEM]?: string | undefined };

/**
 * Looks at all texts of a message that are JSON, each in some steps, and remembers what is wrong with them for `memberProblem`.
 */
export function* checkJsonFields(desc: DescMessage, message: Message, limits: DecodeLimits): Generator<void, void> {
  const find = finderOf(desc);
  if (find === undefined) return;
  const budget: ValueBudget = { valuesLeft: limits.messageValues };
  const found: JsonMember[] = [];
  find(message as unknown as Record<string, unknown>, found);
  for (const member of found) {
    (member as Looked)[PROBLEM] = yield* jsonProblemInSteps(member.value, limits, budget);
    yield;
  }
}

/** What keeps a text from being a payload; see `jsonProblem`. */
export function memberProblem(member: JsonMember, limits: DecodeLimits): string | undefined {
  return PROBLEM in member ? (member as Looked)[PROBLEM] : jsonProblem(member.value, limits);
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
      : (message, found) => {
          for (const part of parts) part(message, found);
        };
  known.set(desc, find);
  return find;
}

function partOf(field: DescField): Find | undefined {
  const { localName, oneof, name, scalar, message: type } = field;
  if (oneof !== undefined && scalar === ScalarType.STRING && name.endsWith("_json")) {
    return (message, found) => {
      const group = message[oneof.localName] as Group;
      if (group.case === localName) found.push(group as JsonMember);
    };
  }
  const find = type && oneof === undefined ? finderOf(type) : undefined;
  if (find === undefined) return undefined;
  return (message, found) => {
    const value = message[localName];
    if (Array.isArray(value)) for (const each of value) find(each, found);
    else if (value !== undefined) find(value as Record<string, unknown>, found);
  };
}
