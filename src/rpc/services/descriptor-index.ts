import { type DescFile, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/**
 * Finds files of descriptors. Each method returns the file and all its imports, encoded, or undefined when there is
 * none.
 */
export interface DescriptorIndex {
  /** The file with this name, as imports write it. */
  byFilename(name: string): readonly Uint8Array[] | undefined;
  /** The file that defines the symbol with this full name. */
  bySymbol(name: string): readonly Uint8Array[] | undefined;
  /** The file that defines the extension of a message with this number. */
  byExtension(message: string, number: number): readonly Uint8Array[] | undefined;
  /** The numbers of the extensions of a message; undefined when there is no such message. */
  extensionsOf(message: string): readonly number[] | undefined;
}

/** Indexes files and all that they import. */
export function createDescriptorIndex(roots: readonly DescFile[]): DescriptorIndex {
  const files = new Map<string, DescFile>();
  const symbols = new Map<string, DescFile>();
  const messages = new Set<string>();
  const extensions = new Map<string, Map<number, DescFile>>();

  function addMessage(message: DescMessage, file: DescFile): void {
    messages.add(message.typeName);
    for (const { name } of message.fields) symbols.set(`${message.typeName}.${name}`, file);
    for (const { name } of message.oneofs) symbols.set(`${message.typeName}.${name}`, file);
  }

  function add(file: DescFile): void {
    if (files.has(file.proto.name)) return;
    files.set(file.proto.name, file);
    for (const dependency of file.dependencies) add(dependency);
    for (const type of nestedTypes(file)) {
      symbols.set(type.typeName, file);
      if (type.kind === "message") addMessage(type, file);
      else if (type.kind === "service") {
        for (const { name } of type.methods) symbols.set(`${type.typeName}.${name}`, file);
      } else if (type.kind === "enum") {
        // The names of enum values are in the scope that contains the enum.
        const scope = type.typeName.slice(0, -type.name.length);
        for (const { name } of type.values) symbols.set(scope + name, file);
      } else {
        const known = extensions.get(type.extendee.typeName) ?? new Map<number, DescFile>();
        extensions.set(type.extendee.typeName, known.set(type.number, file));
      }
    }
  }
  for (const file of roots) add(file);

  const encoded = new Map<DescFile, readonly Uint8Array[]>();
  /** Encodes a file together with its imports: few clients ask for those one by one. */
  function encode(file: DescFile | undefined): readonly Uint8Array[] | undefined {
    if (file === undefined) return undefined;
    let bytes = encoded.get(file);
    if (bytes === undefined) {
      bytes = [...withImports(file)].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
      encoded.set(file, bytes);
    }
    return bytes;
  }

  return {
    byFilename: (name) => encode(files.get(name)),
    bySymbol: (name) => encode(symbols.get(name)),
    byExtension: (message, number) => encode(extensions.get(message)?.get(number)),
    extensionsOf: (message) =>
      messages.has(message) ? [...(extensions.get(message)?.keys() ?? [])].sort((a, b) => a - b) : undefined,
  };
}

function withImports(file: DescFile, seen: Set<DescFile> = new Set()): ReadonlySet<DescFile> {
  seen.add(file);
  for (const dependency of file.dependencies) if (!seen.has(dependency)) withImports(dependency, seen);
  return seen;
}
