/** A machine that is asked over the network. */
import { fromJson, toJson, type DescService, type JsonObject, type Message } from "@bufbuild/protobuf";
import type { NodeConnection } from "../../client/open-node.ts";
import { ControlService } from "../../protocol/petrify/v1/control_pb.ts";
import { EventService } from "../../protocol/petrify/v1/event_pb.ts";
import { LogService } from "../../protocol/petrify/v1/log_pb.ts";
import { NodeService } from "../../protocol/petrify/v1/node_pb.ts";
import { SystemService } from "../../protocol/petrify/v1/system_pb.ts";
import type { AskMachine } from "./parts.ts";

const SERVICES: readonly DescService[] = [NodeService, ControlService, LogService, EventService, SystemService];

type Call = (request: Message, options: { readonly signal: AbortSignal }) => Promise<Message> | AsyncIterable<Message>;

export const askNode = ({ client }: Pick<NodeConnection, "client">): AskMachine =>
  async function* (call, request, signal) {
    const [service, method] = SERVICES.flatMap((one) =>
      one.methods.flatMap((found) => (`${one.name}.${found.name}` === call ? [[one, found] as const] : [])),
    )[0]!;
    const ask = (client(service) as Readonly<Record<string, Call>>)[method.localName]!;
    const answer = ask(fromJson(method.input, request as JsonObject), { signal });
    if (!(Symbol.asyncIterator in answer)) return yield toJson(method.output, await answer) as object;
    for await (const message of answer) yield toJson(method.output, message) as object;
  };
