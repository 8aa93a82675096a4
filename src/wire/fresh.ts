import { create, type DescMessage, type Message } from "@bufbuild/protobuf";

type Member = readonly [localName: string, make: () => object];

const newList = () => [];
const newMap = () => ({});
const newGroup = () => ({ case: undefined });

/**
 * Returns a function that creates empty messages of a type, as `create` does, but looks at the fields of the type only
 * once.
 */
export function freshOf(desc: DescMessage): () => Message {
  const template = create(desc);
  const isPlain = Object.getPrototypeOf(template) === Object.prototype;
  if (!isPlain) return () => create(desc);
  const members: Member[] = [];
  for (const { kind, localName, ...member } of desc.members) {
    const { fieldKind } = member as { fieldKind?: string };
    if (kind === "oneof") members.push([localName, newGroup]);
    else if (fieldKind === "list") members.push([localName, newList]);
    else if (fieldKind === "map") members.push([localName, newMap]);
  }
  return () => {
    const message = { ...template } as Record<string, unknown>;
    for (const [localName, make] of members) message[localName] = make();
    return message as unknown as Message;
  };
}
