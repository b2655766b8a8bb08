import type { Command } from "commander";
import { contextOf } from "../../client/contexts.ts";
import { encodeTrustStatement } from "../../pki/trust-statement.ts";
import { readContexts } from "../contexts/context-file.ts";
import type { Cli } from "../context.ts";
import { eachNode, showAnswers } from "../nodes/each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "../nodes/options.ts";
import { recoveryHashOf } from "../recovery-hash.ts";
import { secretsOf } from "../secrets-folder.ts";
import { tableText } from "../table.ts";

/** `petrify -n NODE apply-trust`: whose callers machines let in, as the secrets say it. */
export function registerApplyTrust(program: Command, cli: Cli): void {
  const command = program
    .command("apply-trust")
    .summary("tell machines whose callers they let in: authorities, epoch and recovery token of your secrets")
    .description(
      "Gives machines the authorities, the epoch and a digest of the recovery token of the context's secrets, in a statement\n" +
        "that the authority signs: after `petrify gen secrets --rotate` and `--revoke`. Machines take none that is older than what they have. Connections that\n" +
        "they have at that time end.",
    );
  addNodeOptionsTo(command)
    .addHelpText("after", "\nExamples:\n  petrify gen secrets --revoke && petrify --all apply-trust")
    .action(
      cli.action(async (context, options: NodeOptions) => {
        const [inUse, found] = contextOf(await readContexts(context), options.context);
        const secrets = await secretsOf(inUse, found);
        const { authority, authorities, epoch } = secrets;
        const recovery = await recoveryHashOf(secrets);
        const told = { made: Math.floor(context.now()), authorities, epoch };
        const statement = encodeTrustStatement({ ...told, ...(recovery === undefined ? {} : { recovery }) });
        const signature = authority.key.sign(new TextEncoder().encode(statement));
        const { OwnerService } = await import("../../protocol/petrify/v1/enrolment_pb.ts");
        const answers = await eachNode(context, options, async ({ client }, call) => {
          const { changed } = await client(OwnerService).replaceTrust({ statement, signature }, call);
          return { changed };
        });
        showAnswers(
          context,
          answers,
          ({ changed }) => ({ epoch, changed }),
          (rows) =>
            tableText(
              ["NODE", "EPOCH", "CHANGED"],
              rows.map(({ node, value }) => [node, String(epoch), value.changed ? "yes" : "no"]),
            ),
        );
      }),
    );
}
