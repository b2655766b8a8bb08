/** Calls of the contract that petrify-look answers: requests and answers are passed on as they are. */
import { fromJson, toJson, type DescMethod, type DescService, type JsonValue, type Message } from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { lookPath } from "../look/call.ts";
import { firstOf, type AskProgram } from "./ask-program.ts";
import { CALLER } from "./authorize.ts";

/** Every method of the service. @param ask petrify-look */
export function registerLookedUp(router: ConnectRouter, service: DescService, ask: AskProgram): void {
  const handlers = service.methods.map((method) => [method.localName, handlerOf(`${service.name}.${method.name}`, method, ask)]);
  router.service(service, Object.fromEntries(handlers) as Partial<ServiceImpl<DescService>>);
}

function handlerOf(name: string, { input, output, methodKind }: DescMethod, ask: AskProgram): unknown {
  const answers = async function* (request: Message, { signal, values }: HandlerContext): AsyncGenerator<Message> {
    for await (const value of ask("POST", lookPath(name), signal, toJson(input, request) as object, values.get(CALLER))) {
      // It is of the same image; a field that is not known here yet is no reason to say nothing.
      yield fromJson(output, value as JsonValue, { ignoreUnknownFields: true });
    }
  };
  if (methodKind === "server_streaming") return answers;
  return async (request: Message, context: HandlerContext) => await firstOf(answers(request, context));
}
