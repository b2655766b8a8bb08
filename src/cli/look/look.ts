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
/** Methods with one answer. */
type Unary = { [Name in keyof Methods]: Methods[Name]["methodKind"] extends "unary" ? Name : never }[keyof Methods];
type Request<Name extends Unary> = MessageInitShape<Methods[Name]["input"]>;
type Answer<Name extends Unary> = MessageShape<Methods[Name]["output"]>;

export interface LookCommand<Name extends Unary, Options extends NodeOptions> {
  /** Of the contract. */
  readonly method: Name;
  readonly name: string;
  readonly alias?: string;
  /** What the command above it does without a word more. */
  readonly isDefault?: boolean;
  readonly summary: string;
  readonly description: string;
  readonly examples: readonly string[];
  /** Options of its own. */
  readonly options?: (command: Command) => Command;
  readonly request?: (options: Options) => Request<Name>;
  /** Of the table, after the machine's name. */
  readonly heads: readonly string[];
  readonly rows: (answer: Answer<Name>, options: Options) => readonly (readonly string[])[];
}

export function registerLook<Name extends Unary, Options extends NodeOptions = NodeOptions>(
  program: Command,
  cli: Cli,
  look: LookCommand<Name, Options>,
): void {
  const { method, name, alias, isDefault = false, summary, description, examples, heads, rows } = look;
  const command = program.command(name, { isDefault }).summary(summary).description(description);
  if (alias !== undefined) command.alias(alias);
  look.options?.(command);
  addNodeOptionsTo(command)
    .addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}`)
    .action(
      cli.action(async (context, options: Options) => {
        // What it imports is for calls alone: other commands start without it.
        const [{ toJson }, { SystemService }] = await Promise.all([
          import("@bufbuild/protobuf"),
          import("../../protocol/petrify/v1/system_pb.ts"),
        ]);
        const request = look.request?.(options) ?? {};
        const answers = await eachNode(context, options, async ({ client }, call) => {
          const ask = client(SystemService)[method] as (asked: object, by: typeof call) => Promise<Answer<Name>>;
          return await ask(request, call);
        });
        showAnswers(
          context,
          answers,
          (answer) => toJson(SystemService.method[method].output, answer),
          (found) =>
            tableText(
              ["NODE", ...heads],
              found.flatMap(({ node, value }) => rows(value, options).map((cells) => [node, ...cells].map(shortLine))),
            ),
        );
      }),
    );
}
