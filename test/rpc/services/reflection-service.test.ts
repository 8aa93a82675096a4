import { create, createFileRegistry, type DescService, fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { beforeAll, describe, expect, test } from "vitest";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { run } from "../../support/command.js";
import { reading } from "../../support/rpc.js";
import { startTestServer, type TestServer } from "../../support/server.js";
import { GRPC } from "../../support/transports.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

type Ask = {
  case: "fileContainingSymbol" | "fileByFilename" | "listServices" | "allExtensionNumbersOfType";
  value: string;
};

/** Sorts files so that each comes after everything it imports, as the registry wants them. */
function importsFirst(files: readonly FileDescriptorProto[]): FileDescriptorProto[] {
  const ordered = new Set<FileDescriptorProto>();
  const add = (name: string) => {
    const file = files.find((each) => each.name === name);
    if (file === undefined) throw new Error(`${name} is missing`);
    for (const dependency of file.dependency) add(dependency);
    ordered.add(file);
  };
  for (const { name } of files) add(name);
  return [...ordered];
}

describe.each([
  ["v1", ServerReflection as DescService],
  ["v1alpha", ServerReflectionAlpha as DescService],
])("grpc.reflection.%s", (_, service) => {
  /** Asks one question after another on one stream. */
  async function ask(...questions: readonly (Ask | { case: "fileContainingExtension"; value: object } | undefined)[]) {
    const client = createClient(service as typeof ServerReflection, GRPC.create(server.url));
    async function* requests() {
      for (const question of questions) {
        yield question === undefined ? {} : { host: "h", messageRequest: question as Ask };
      }
    }
    return (await reading(client.serverReflectionInfo(requests())).rest()).map(
      ({ messageResponse }) => messageResponse,
    );
  }

  test("lists all services", async () => {
    const [answer] = await ask({ case: "listServices", value: "" });
    if (answer?.case !== "listServicesResponse") throw new Error("no list");
    const names = answer.value.service.map(({ name }) => name);
    for (const name of ["Job", "Queue", "Dlq", "Worker", "Server"])
      expect(names).toContain(`gotaskq.v1.${name}Service`);
    expect(names).toContain("grpc.health.v1.Health");
    expect(names).toContain("grpc.reflection.v1alpha.ServerReflection");
  });

  test.each([
    "gotaskq.v1.JobService",
    "gotaskq.v1.JobService.CreateJob",
    "gotaskq.v1.CreateJobRequest",
    "gotaskq.v1.CreateJobRequest.priority",
    "gotaskq.v1.CreateJobRequest.schedule",
    "gotaskq.v1.JOB_STATUS_DONE",
    "grpc.health.v1.HealthCheckResponse.ServingStatus",
    "grpc.health.v1.HealthCheckResponse.SERVING",
    "google.protobuf.Value",
    "google.rpc.ErrorInfo",
  ])("finds the file of %s and all that it imports", async (symbol) => {
    const [answer] = await ask({ case: "fileContainingSymbol", value: symbol });
    if (answer?.case !== "fileDescriptorResponse") throw new Error(`no file: ${JSON.stringify(answer)}`);
    const files = answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
    // Throws when an import is missing.
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: importsFirst(files) }));
    const [type = ""] = /^[a-z0-9_.]+\.[A-Z]\w*[a-z]\w*/.exec(symbol) ?? [];
    if (type !== "") expect(registry.get(type)).toBeDefined();
  });

  test("finds a file by its name, and says what it does not know, on one stream", async () => {
    const answers = await ask(
      { case: "fileByFilename", value: "google/protobuf/struct.proto" },
      { case: "fileByFilename", value: "nowhere.proto" },
      { case: "fileContainingSymbol", value: "no.Such" },
      { case: "allExtensionNumbersOfType", value: "gotaskq.v1.Job" },
      { case: "allExtensionNumbersOfType", value: "no.Such" },
      { case: "fileContainingExtension", value: { containingType: "gotaskq.v1.Job", extensionNumber: 7 } },
      undefined,
    );
    expect(answers).toMatchObject([
      { case: "fileDescriptorResponse" },
      { case: "errorResponse", value: { errorCode: 5 } },
      { case: "errorResponse", value: { errorCode: 5 } },
      { case: "allExtensionNumbersResponse", value: { baseTypeName: "gotaskq.v1.Job", extensionNumber: [] } },
      { case: "errorResponse", value: { errorCode: 5 } },
      { case: "errorResponse", value: { errorCode: 5 } },
      { case: "errorResponse", value: { errorCode: 3 } },
    ]);
  });
});

describe("buf curl with no schema", () => {
  const buf = (...args: string[]) =>
    run("npx", ["buf", "curl", "--protocol", "grpc", "--http2-prior-knowledge", ...args]);

  test.each(["grpc-v1", "grpc-v1alpha"])("calls by reflection over %s", async (protocol) => {
    const message = '{"type":"echo","payload":{"n":[1]},"delay":"3600s"}';
    const url = `${server.url}/gotaskq.v1.JobService/CreateJob`;
    const { code, stdout, stderr } = await buf("--reflect-protocol", protocol, "-d", message, url);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ job: { type: "echo", payload: { n: [1] } } });
  });
});
