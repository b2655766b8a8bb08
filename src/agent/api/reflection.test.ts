import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createFileRegistry, create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../../protocol/grpc/reflection/v1/reflection_pb.ts";
import { NodeService } from "../../protocol/petrify/v1/node_pb.ts";
import { registerReflection } from "./reflection.ts";

type Asked = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;

const client = createClient(
  ServerReflection,
  createRouterTransport((router) => {
    router.service(NodeService, {});
    registerReflection(router);
  }),
);
async function answers(...asked: Asked[]): Promise<ServerReflectionResponse[]> {
  const requests = (async function* () {
    yield* await Promise.resolve(asked.map((messageRequest) => ({ host: "h", messageRequest })));
  })();
  return await Array.fromAsync(client.serverReflectionInfo(requests));
}
const symbol = (value: string): Asked => ({ case: "fileContainingSymbol", value });
/** Names, the one that was asked for first; or the code of why there are none. */
const filesOf = ({ messageResponse: { case: kind, value } }: ServerReflectionResponse): unknown =>
  kind === "fileDescriptorResponse"
    ? value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name)
    : kind === "errorResponse" && value.errorCode;

const NODE = ["petrify/v1/node.proto", "google/protobuf/duration.proto", "google/protobuf/timestamp.proto"];
const NOT_FOUND = 5;

suite("reflection", () => {
  test("tells the services that a router has, and itself", async () => {
    const [{ messageResponse, validHost, originalRequest } = assert.fail()] = await answers({ case: "listServices", value: "*" });
    assert.ok(messageResponse.case === "listServicesResponse");
    const names = messageResponse.value.service.map(({ name }) => name);
    assert.deepEqual(names.toSorted(), ["grpc.reflection.v1.ServerReflection", "petrify.v1.NodeService"]);
    assert.deepEqual([validHost, originalRequest?.messageRequest], ["h", { case: "listServices", value: "*" }]);
  });

  for (const [asked, files] of [
    [symbol("petrify.v1.NodeService"), NODE],
    [symbol("petrify.v1.NodeService.Status"), NODE],
    [symbol("petrify.v1.StatusResponse"), NODE],
    [symbol("petrify.v1.StatusResponse.slots"), NODE],
    [symbol("petrify.v1.SlotState"), NODE],
    [symbol("google.protobuf.Timestamp"), [NODE[2]]],
    [{ case: "fileByFilename", value: "petrify/v1/node.proto" }, NODE],
    [{ case: "fileByFilename", value: "google/protobuf/duration.proto" }, [NODE[1]]],
    [symbol("petrify.v1.NodeService.Nothing"), NOT_FOUND],
    [symbol("petrify.v1"), NOT_FOUND],
    [symbol(""), NOT_FOUND],
    [{ case: "fileByFilename", value: "/etc/passwd" }, NOT_FOUND],
    [{ case: "fileContainingExtension", value: { containingType: "petrify.v1.Slot", extensionNumber: 1 } }, NOT_FOUND],
    [{ case: "allExtensionNumbersOfType", value: "petrify.v1.Nothing" }, NOT_FOUND],
    [{ case: undefined }, 3],
  ] as const satisfies readonly (readonly [Asked, unknown])[]) {
    test(`answers ${JSON.stringify(asked)}`, async () => {
      const [answer = assert.fail()] = await answers(asked);
      assert.deepEqual(filesOf(answer), files);
    });
  }

  test("answers each question of a call, and its files are the whole contract", async () => {
    const [services, answer = assert.fail()] = await answers(
      { case: "listServices", value: "" },
      symbol("petrify.v1.NodeService"),
    );
    assert.equal(services?.messageResponse.case, "listServicesResponse");
    assert.ok(answer.messageResponse.case === "fileDescriptorResponse");
    const file = answer.messageResponse.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: file.toReversed() }));
    const described = registry.getService("petrify.v1.NodeService")?.methods.map(({ name, methodKind }) => [name, methodKind]);
    assert.deepEqual(
      described,
      NodeService.methods.map(({ name, methodKind }) => [name, methodKind]),
    );
  });

  test("a message without extensions has none", async () => {
    const [answer = assert.fail()] = await answers({ case: "allExtensionNumbersOfType", value: "petrify.v1.Slot" });
    assert.ok(answer.messageResponse.case === "allExtensionNumbersResponse");
    assert.deepEqual(
      [answer.messageResponse.value.baseTypeName, answer.messageResponse.value.extensionNumber],
      ["petrify.v1.Slot", []],
    );
  });
});
