/** Tells programs that do not have the contract what it is. Source: https://github.com/grpc/grpc/blob/master/doc/server-reflection.md */
import {
  createRegistry,
  toBinary,
  type DescFile,
  type DescService,
  type MessageInitShape,
  type Registry,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema,
} from "../../protocol/grpc/reflection/v1/reflection_pb.ts";

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

/** After all other services: it tells of those that the router has by then, and of itself. */
export function registerReflection(router: ConnectRouter): void {
  const services = [...new Set([...router.handlers.map(({ service }) => service), ServerReflection])];
  router.service(ServerReflection, {
    async *serverReflectionInfo(requests) {
      const contract = contractOf(services);
      for await (const request of requests)
        yield { validHost: request.host, originalRequest: request, messageResponse: answerOf(contract, request) };
    },
  });
}

interface Contract {
  readonly services: readonly DescService[];
  /** By name: `petrify/v1/node.proto`. */
  readonly files: ReadonlyMap<string, DescFile>;
  readonly types: Registry;
}

function contractOf(services: readonly DescService[]): Contract {
  const files = new Map<string, DescFile>();
  for (const { file } of services) for (const one of withDependencies(file)) files.set(one.proto.name, one);
  return { services, files, types: createRegistry(...files.values()) };
}

/** The file itself first. */
function withDependencies(file: DescFile): ReadonlySet<DescFile> {
  const found = new Set([file]);
  // What is added meanwhile is walked, too.
  for (const one of found) for (const dependency of one.dependencies) found.add(dependency);
  return found;
}

function answerOf({ services, files, types }: Contract, { messageRequest }: ServerReflectionRequest): Answer {
  switch (messageRequest.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: services.map(({ typeName }) => ({ name: typeName })) } };
    case "fileByFilename":
      return fileAnswer(files.get(messageRequest.value), messageRequest.value);
    case "fileContainingSymbol":
      return fileAnswer(declaring(types, messageRequest.value), messageRequest.value);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = messageRequest.value;
      const message = types.getMessage(containingType);
      const extension = message && types.getExtensionFor(message, extensionNumber);
      return fileAnswer(extension?.file, `${containingType}: ${extensionNumber}`);
    }
    case "allExtensionNumbersOfType": {
      const name = messageRequest.value;
      if (!types.getMessage(name)) return nothing(name);
      const all = [...types].filter((type) => type.kind === "extension" && type.extendee.typeName === name);
      const extensionNumber = all.flatMap((type) => (type.kind === "extension" ? [type.number] : []));
      return { case: "allExtensionNumbersResponse", value: { baseTypeName: name, extensionNumber } };
    }
    case undefined:
      return { case: "errorResponse", value: { errorCode: Code.InvalidArgument, errorMessage: "nothing is asked" } };
  }
}

/** Of a type, or of a method, field or value: those have no other file than what they are in. */
function declaring(types: Registry, name: string): DescFile | undefined {
  const type = types.get(name);
  if (type) return type.file;
  const end = name.lastIndexOf(".");
  const parent = types.get(name.slice(0, Math.max(end, 0)));
  const member = name.slice(end + 1);
  return parent && membersOf(parent).includes(member) ? parent.file : undefined;
}

function membersOf(type: NonNullable<ReturnType<Registry["get"]>>): readonly string[] {
  if (type.kind === "service") return type.methods.map(({ name }) => name);
  if (type.kind === "message") return type.members.map(({ name }) => name);
  return type.kind === "enum" ? type.values.map(({ name }) => name) : [];
}

function fileAnswer(file: DescFile | undefined, asked: string): Answer {
  if (!file) return nothing(asked);
  const fileDescriptorProto = [...withDependencies(file)].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

const nothing = (asked: string): Answer => ({
  ...{ case: "errorResponse", value: { errorCode: Code.NotFound, errorMessage: `the contract has no ${JSON.stringify(asked)}` } },
});
