import type { DescService } from "@bufbuild/protobuf";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import { file_google_rpc_error_details } from "../../../gen/google/rpc/error_details_pb.js";
import type { ServerReflection, ServerReflectionRequest } from "../../../gen/grpc/reflection/v1/reflection_pb.js";
import type {
  ServerReflection as ServerReflectionAlpha,
  ServerReflectionRequest as ServerReflectionRequestAlpha,
} from "../../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { createDescriptorIndex } from "./descriptor-index.js";

type Request = ServerReflectionRequest | ServerReflectionRequestAlpha;

/** The reflection services in both versions, which differ only in their names. */
export interface ReflectionServices {
  readonly v1: ServiceImpl<typeof ServerReflection>;
  readonly v1alpha: ServiceImpl<typeof ServerReflectionAlpha>;
}

/** Implements grpc.reflection for the descriptors of these services and of the error details. */
export function createReflectionServices(services: readonly DescService[]): ReflectionServices {
  const index = createDescriptorIndex([...services.map(({ file }) => file), file_google_rpc_error_details]);
  const names = services.map(({ typeName }) => ({ name: typeName })).sort((a, b) => (a.name < b.name ? -1 : 1));

  const files = (found: readonly Uint8Array[] | undefined, what: string) =>
    found === undefined
      ? notFound(what)
      : { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto: found as Uint8Array<ArrayBuffer>[] } };

  function answer({ messageRequest: { case: kind, value } }: Request) {
    switch (kind) {
      case "listServices":
        return { case: "listServicesResponse" as const, value: { service: names } };
      case "fileByFilename":
        return files(index.byFilename(value), `file "${value}"`);
      case "fileContainingSymbol":
        return files(index.bySymbol(value), `symbol "${value}"`);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = value;
        return files(
          index.byExtension(containingType, extensionNumber),
          `extension ${extensionNumber} of "${containingType}"`,
        );
      }
      case "allExtensionNumbersOfType": {
        const extensionNumber = index.extensionsOf(value);
        if (extensionNumber === undefined) return notFound(`message "${value}"`);
        const numbers = { baseTypeName: value, extensionNumber: [...extensionNumber] };
        return { case: "allExtensionNumbersResponse" as const, value: numbers };
      }
      default:
        return error(Code.InvalidArgument, "message_request: must be set");
    }
  }

  async function* reflect<R extends Request>(requests: AsyncIterable<R>) {
    for await (const request of requests) {
      yield { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
    }
  }

  return { v1: { serverReflectionInfo: reflect }, v1alpha: { serverReflectionInfo: reflect } };
}

function notFound(what: string) {
  return error(Code.NotFound, `there is no ${what}`);
}

function error(errorCode: Code, errorMessage: string) {
  return { case: "errorResponse" as const, value: { errorCode, errorMessage } };
}
