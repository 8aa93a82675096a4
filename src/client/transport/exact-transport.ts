import {
  clone,
  create,
  createFileRegistry,
  type DescFile,
  type DescMessage,
  type FileRegistry,
} from "@bufbuild/protobuf";
import { type DescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";
import { setOwn } from "../../wire/fields.js";

type Fields = Record<string, unknown>;
type Entry = { readonly key: string; readonly value: unknown };

/** Makes maps in a message of the lists of entries that they were read as. */
type Mend = (message: Fields) => void;

/**
 * A transport that keeps each key of a map as the server sent it. The library sets keys by assignment, which loses the key
 * `__proto__`. So the answers are read by other descriptors, in which a map is the list of entries that it is on the wire,
 * and their maps are made here.
 */
export function withExactMaps(transport: Transport): Transport {
  return {
    async unary(method, ...rest) {
      const { twin, mend } = twinOf(method.output);
      const response = await transport.unary({ ...method, output: twin } as typeof method, ...rest);
      mend(response.message as unknown as Fields);
      return { ...response, method };
    },
    async stream(method, ...rest) {
      const { twin, mend } = twinOf(method.output);
      const response = await transport.stream({ ...method, output: twin } as typeof method, ...rest);
      const messages = response.message;
      async function* mended() {
        for await (const message of messages) {
          mend(message as unknown as Fields);
          yield message;
        }
      }
      return { ...response, method, message: mended() };
    },
  };
}

interface Twin {
  /** The type, with lists of entries in the place of maps. */
  readonly twin: DescMessage;
  readonly mend: Mend;
}

const twins = new Map<DescMessage, Twin>();
const registries = new Map<DescFile, FileRegistry>();

function twinOf(desc: DescMessage): Twin {
  let found = twins.get(desc);
  if (found === undefined) {
    const mend = menderOf(desc);
    const twin = mend && registryOf(desc.file).getMessage(desc.typeName);
    found = { twin: twin ?? desc, mend: mend ?? (() => {}) };
    twins.set(desc, found);
  }
  return found;
}

/** The types of a file, and of all that it imports, without maps. */
function registryOf(file: DescFile): FileRegistry {
  let registry = registries.get(file);
  if (registry === undefined) {
    const files = new Set<DescFile>();
    // What a file imports comes before it.
    const add = (one: DescFile) => {
      for (const imported of one.dependencies) add(imported);
      files.add(one);
    };
    add(file);
    const protos = [...files].map(({ proto }) => {
      const copy = clone(FileDescriptorProtoSchema, proto);
      copy.messageType.forEach(forgetMaps);
      return copy;
    });
    registry = createFileRegistry(create(FileDescriptorSetSchema, { file: protos }));
    registries.set(file, registry);
  }
  return registry;
}

function forgetMaps({ options, nestedType }: DescriptorProto): void {
  if (options !== undefined) options.mapEntry = false;
  nestedType.forEach(forgetMaps);
}

const menders = new Map<DescMessage, Mend | undefined>();

/** Returns what mends messages of a type; undefined when there are no maps in them. */
function menderOf(desc: DescMessage): Mend | undefined {
  if (menders.has(desc)) return menders.get(desc);
  const parts: Mend[] = [];
  const mend: Mend = (message) => {
    for (const part of parts) part(message);
  };
  // Known before its fields are looked at: they may be of its own type.
  menders.set(desc, mend);
  for (const field of desc.fields) {
    const { localName, oneof, fieldKind } = field;
    const inner = field.message && menderOf(field.message);
    if (fieldKind === "map") {
      parts.push((message) => {
        const map: Fields = {};
        for (const { key, value: given } of message[localName] as Entry[]) {
          // An entry may come without its value, which is then an empty one.
          const value = given ?? (field.message && create(field.message));
          inner?.(value as Fields);
          setOwn(map, key, value);
        }
        message[localName] = map;
      });
    } else if (inner !== undefined && fieldKind === "list") {
      parts.push((message) => (message[localName] as Fields[]).forEach(inner));
    } else if (inner !== undefined) {
      parts.push((message) => {
        const group = oneof && (message[oneof.localName] as { readonly case?: string; readonly value?: unknown });
        const value = group === undefined ? message[localName] : group.case === localName ? group.value : undefined;
        if (value !== undefined) inner(value as Fields);
      });
    }
  }
  if (parts.length > 0) return mend;
  menders.set(desc, undefined);
  return undefined;
}
