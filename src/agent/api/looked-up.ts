/** Calls of the contract that petrify-look answers: requests and answers are passed on as they are. */
import {
  fromJson,
  toJson,
  type DescMessage,
  type DescMethod,
  type DescService,
  type JsonValue,
  type Message,
  type MessageShape,
} from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { lookPath } from "../look/call.ts";
import { firstOf, type AskProgram } from "./ask-program.ts";
import { CALLER } from "./authorize.ts";

/** Every method of the service. @param ask petrify-look */
export function registerLookedUp(router: ConnectRouter, service: DescService, ask: AskProgram): void {
  const handlers = service.methods.map((method) => [method.localName, handlerOf(method, ask)]);
  router.service(service, Object.fromEntries(handlers) as Partial<ServiceImpl<DescService>>);
}

/** What one method is answered with. @param ask petrify-look */
export function lookedUp<Input extends DescMessage, Output extends DescMessage>(
  { parent, name, input, output }: DescMethod & { readonly input: Input; readonly output: Output },
  ask: AskProgram,
): (request: MessageShape<Input>, context: HandlerContext) => AsyncGenerator<MessageShape<Output>> {
  return async function* (request, { signal, values }) {
    const [path, asked] = [lookPath(`${parent.name}.${name}`), toJson(input, request) as object];
    for await (const value of ask("POST", path, signal, asked, values.get(CALLER))) {
      // It is of the same image; a field that is not known here yet is no reason to say nothing.
      yield fromJson(output, value as JsonValue, { ignoreUnknownFields: true });
    }
  };
}

function handlerOf(method: DescMethod, ask: AskProgram): unknown {
  const { methodKind } = method;
  const answers = lookedUp(method, ask);
  if (methodKind === "server_streaming") return answers;
  return async (request: Message, context: HandlerContext) => await firstOf(answers(request, context));
}
