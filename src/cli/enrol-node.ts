import { join, resolve } from "node:path";
import type { Command } from "commander";
import type { GivenBack } from "../agent/enrolment.ts";
import { AGENT_SOCKET } from "../agent/status.ts";
import { AppError } from "../core/error.ts";
import { readAnswer } from "../host/ask.ts";
import { readHidden } from "../host/ask-password.ts";
import { readText } from "../host/files.ts";
import { askLocally } from "../host/unix-http.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";
import { UsageError } from "./output.ts";

interface Options {
  readonly recoveryToken?: boolean;
  readonly authority?: string;
}

/** `petrify enrol --recovery-token` on a machine. */
export function registerEnrolNode(program: Command, cli: NodeCli): void {
  program
    .command("enrol")
    .summary("give this machine another owner, by its recovery token")
    .description(
      "Takes the machine from its owner, for who has the recovery token of `petrify gen secrets`: where the authority's key was\n" +
        "lost, or the owner changes. The token is asked for, and not shown; without a terminal it is the first line of the input.\n" +
        "Then the machine waits for an owner that has the token, or is the one's whose authority is given here. Run it as root.",
    )
    .option("--recovery-token", "that is how its owner is known")
    .option("--authority <file>", "the next owner's ca.pem: callers that it vouches for are let in at once")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify enrol --recovery-token\n  petrify enrol --recovery-token --authority /run/media/ca.pem < token.txt",
    )
    .action(cli.action(enrol));
}

async function enrol(context: NodeContext, { recoveryToken, authority }: Options): Promise<void> {
  const { root, cwd, signal, output } = context;
  if (!recoveryToken) {
    throw new UsageError("USAGE", "a machine takes another owner by its recovery token: --recovery-token", {
      hint: "See `petrify enrol --help`.",
    });
  }
  const authorities = authority === undefined ? {} : { authorities: await authorityIn(resolve(cwd, authority)) };
  const request = { recoveryToken: await tokenOf(context), ...authorities };
  for await (const value of askLocally(join(root, AGENT_SOCKET), "POST", "/give-back", signal, request)) {
    const { waits, fingerprint } = value as GivenBack & { readonly fingerprint: string };
    const text = waits
      ? [
          "This machine waits for an owner that has its recovery token.",
          `Its key is ${fingerprint}`,
          "Next, on a workstation: petrify apply-config --insecure ADDRESS --recovery-token-file FILE",
        ]
      : [
          "This machine has another owner.",
          `Next, on a workstation: petrify context pin NAME --address ADDRESS --key ${fingerprint}`,
        ];
    output.result({ waits, fingerprint }, text.join("\n"));
  }
}

async function tokenOf({ input, sinks, signal }: NodeContext): Promise<string> {
  const question = (): void => sinks.err("Recovery token: ");
  const typed = input.isTTY ? await readHidden(input, signal, question) : await readAnswer(input, signal);
  if (input.isTTY) sinks.err("\n");
  if (typed !== undefined && typed !== "") return typed;
  throw new AppError("RECOVERY_TOKEN_NEEDED", "no recovery token was given", {
    hint: "It is in the owner's folder of secrets: recovery-token.",
  });
}

const authorityIn = async (path: string): Promise<string> =>
  await readText(path).catch((cause: NodeJS.ErrnoException) => {
    throw new AppError("FILE_UNREADABLE", `${path} cannot be read (${cause.code ?? cause.message})`, { cause });
  });
