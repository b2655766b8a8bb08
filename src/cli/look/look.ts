/** Commands that ask machines what their systems do: `petrify -n NODE memory`. Nothing is changed. */
import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { shortLine } from "../../layout/short-line.ts";
import type { SystemService } from "../../protocol/petrify/v1/system_pb.ts";
import type { Cli } from "../context.ts";
import { eachNode, showAnswers } from "../nodes/each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "../nodes/options.ts";
import { tableText } from "../table.ts";

type Methods = (typeof SystemService)["method"];
type MethodName = keyof Methods;
type Answer<Name extends MethodName> = MessageShape<Methods[Name]["output"]>;

export interface LookCommand<Name extends MethodName, Options extends NodeOptions> {
  /** Of the contract. */
  readonly method: Name;
  readonly name: string;
  readonly alias?: string;
  /** What the command above it does without a word more. */
  readonly isDefault?: boolean;
  readonly summary: string;
  readonly description: string;
  readonly examples: readonly string[];
  /** A path of the machine that has to be said. */
  readonly takesPath?: boolean;
  /** Options of its own. */
  readonly options?: (command: Command) => Command;
  readonly request?: (options: Options) => MessageInitShape<Methods[Name]["input"]>;
  /** Of the table, after the machine's name. */
  readonly heads: readonly string[];
  /** Of one answer, also where there are many of a call. */
  readonly rows: (answer: Answer<Name>, options: Options) => readonly (readonly string[])[];
  /** Milliseconds; for what takes longer than other calls. */
  readonly timeoutMs?: number;
}

export function registerLook<Name extends MethodName, Options extends NodeOptions = NodeOptions>(
  program: Command,
  cli: Cli,
  look: LookCommand<Name, Options>,
): void {
  const { method, name, alias, isDefault = false, summary, description, examples, heads, rows } = look;
  const command = program.command(name, { isDefault }).summary(summary).description(description);
  if (alias !== undefined) command.alias(alias);
  if (look.takesPath) command.argument("<path>", "of the machine: absolute");
  look.options?.(command);
  addNodeOptionsTo(command).addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}`);
  const act = cli.action(async (context, path: string | undefined, options: Options) => {
    // What it imports is for calls alone: other commands start without it.
    const [{ toJson }, { SystemService }] = await Promise.all([
      import("@bufbuild/protobuf"),
      import("../../protocol/petrify/v1/system_pb.ts"),
    ]);
    const { output } = SystemService.method[method];
    const request = { ...look.request?.(options), ...(path === undefined ? {} : { path }) };
    const answers = await eachNode(context, options, async ({ client }, call) => {
      const ask = client(SystemService)[method] as (asked: object, by: typeof call) => Asked<Answer<Name>>;
      const answer = ask(request, { ...call, timeoutMs: look.timeoutMs ?? call.timeoutMs });
      return Symbol.asyncIterator in answer ? await Array.fromAsync(answer) : [await answer];
    });
    showAnswers(
      context,
      answers,
      (all) => mergedJson(all.map((one) => toJson(output, one) as JsonObject)),
      (found) =>
        tableText(
          ["NODE", ...heads],
          found.flatMap(({ node, value }) =>
            value.flatMap((answer) => rows(answer, options)).map((cells) => [node, ...cells].map(shortLine)),
          ),
        ),
    );
  });
  command.action(
    look.takesPath
      ? act
      : async (options: Options, self: Command) => {
          await act(undefined, options, self);
        },
  );
}

/** Of a call with one answer, or with many. */
type Asked<T> = Promise<T> | AsyncIterable<T>;

type JsonObject = Readonly<Record<string, unknown>>;

/** Messages as one: lists of the same name follow each other. */
const mergedJson = (messages: readonly JsonObject[]): JsonObject =>
  messages.reduce((all, message) => {
    const lists = Object.entries(message).map(([name, value]): [string, unknown] => {
      const before = all[name];
      return [name, Array.isArray(before) && Array.isArray(value) ? [...(before as unknown[]), ...(value as unknown[])] : value];
    });
    return { ...all, ...Object.fromEntries(lists) };
  }, {});
