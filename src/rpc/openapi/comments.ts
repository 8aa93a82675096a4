import type { AnyDesc, DescFile } from "@bufbuild/protobuf";

/** Numbers of the fields of the descriptors that lead to their parts: what the paths of comments are made of. */
const FILE_MESSAGE = 4;
const FILE_ENUM = 5;
const FILE_SERVICE = 6;
const MESSAGE_FIELD = 2;
const MESSAGE_MESSAGE = 3;
const MESSAGE_ENUM = 4;
const MESSAGE_ONEOF = 8;
const ENUM_VALUE = 2;
const SERVICE_METHOD = 2;

const known = new WeakMap<DescFile, ReadonlyMap<string, string>>();

/** The comment above something in a proto; "" when it has none. Only descriptors that a compiler hands to a plugin have comments. */
export function commentOf(desc: AnyDesc): string {
  const file = desc.kind === "file" ? desc : fileOf(desc);
  let comments = known.get(file);
  if (comments === undefined) {
    const { location = [] } = file.proto.sourceCodeInfo ?? {};
    comments = new Map(location.map(({ path, leadingComments }) => [path.join("."), toText(leadingComments)]));
    known.set(file, comments);
  }
  return comments.get(pathOf(desc).join(".")) ?? "";
}

function toText(comment: string): string {
  return comment.replace(/^ /gm, "").trim();
}

function fileOf(desc: Exclude<AnyDesc, DescFile>): DescFile {
  return "file" in desc ? desc.file : fileOf(desc.parent);
}

function pathOf(desc: AnyDesc): number[] {
  switch (desc.kind) {
    case "message":
      return desc.parent === undefined
        ? [FILE_MESSAGE, desc.file.proto.messageType.indexOf(desc.proto)]
        : [...pathOf(desc.parent), MESSAGE_MESSAGE, desc.parent.proto.nestedType.indexOf(desc.proto)];
    case "enum":
      return desc.parent === undefined
        ? [FILE_ENUM, desc.file.proto.enumType.indexOf(desc.proto)]
        : [...pathOf(desc.parent), MESSAGE_ENUM, desc.parent.proto.enumType.indexOf(desc.proto)];
    case "enum_value":
      return [...pathOf(desc.parent), ENUM_VALUE, desc.parent.proto.value.indexOf(desc.proto)];
    case "field":
      return [...pathOf(desc.parent), MESSAGE_FIELD, desc.parent.proto.field.indexOf(desc.proto)];
    case "oneof":
      return [...pathOf(desc.parent), MESSAGE_ONEOF, desc.parent.proto.oneofDecl.indexOf(desc.proto)];
    case "service":
      return [FILE_SERVICE, desc.file.proto.service.indexOf(desc.proto)];
    case "rpc":
      return [...pathOf(desc.parent), SERVICE_METHOD, desc.parent.proto.method.indexOf(desc.proto)];
    default:
      return [];
  }
}
