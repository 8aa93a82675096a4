import { create, type DescMessage, type Message } from "@bufbuild/protobuf";

/** A list without entries, and a oneof of which nothing is set, of all messages that have one. */
const NO_LIST: readonly unknown[] = Object.freeze([]);
const NO_MEMBER = Object.freeze({ case: undefined });

/** Stands for a map, of which each message has its own. */
const MAP = Symbol("map");

/**
 * Returns a function that creates empty messages of a type, as `create` does, but looks at the fields of the type only
 * once. Lists are added to by `addTo`: an empty one is that of other messages too.
 */
export function freshOf(desc: DescMessage): () => Message {
  const made = create(desc);
  const isPlain = Object.getPrototypeOf(made) === Object.prototype;
  if (!isPlain) return () => create(desc);
  const template: Record<string, unknown> = { ...made };
  for (const { kind, localName, ...member } of desc.members) {
    const { fieldKind } = member as { fieldKind?: string };
    if (kind === "oneof") template[localName] = NO_MEMBER;
    else if (fieldKind === "list") template[localName] = NO_LIST;
    else if (fieldKind === "map") template[localName] = MAP;
  }
  return (compile(template) ?? copier(template)) as () => Message;
}

/**
 * Compiles an object literal. Only that gives all messages of a type one shape with fast members: an object of more than some twelve
 * members that is made in any other way is a dictionary to V8, whose making takes 3 us and whose members are slow ever after. Undefined
 * where no code may be made of text.
 */
function compile(template: Readonly<Record<string, unknown>>): (() => object) | undefined {
  const names = Object.keys(template);
  const members = names.map((name, index) => `${JSON.stringify(name)}: ${template[name] === MAP ? "{}" : `v${index}`}`);
  try {
    const code = `return () => ({ ${members.join(", ")} });`;
    return new Function(...names.map((_, index) => `v${index}`), code)(...Object.values(template)) as () => object;
  } catch {
    return undefined;
  }
}

function copier(template: Readonly<Record<string, unknown>>): () => object {
  const maps = Object.keys(template).filter((name) => template[name] === MAP);
  return () => {
    const message: Record<string, unknown> = { ...template };
    for (const name of maps) message[name] = {};
    return message;
  };
}

/** Adds an entry to a list of a message that `freshOf` made. */
export function addTo(message: Record<string, unknown>, localName: string, entry: unknown): void {
  const list = message[localName];
  if (list === NO_LIST) message[localName] = [entry];
  else (list as unknown[]).push(entry);
}
