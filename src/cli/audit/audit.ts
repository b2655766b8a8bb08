import { join } from "node:path";
import type { Command } from "commander";
import { readAuditFiles } from "../../host/audit-files.ts";
import { AUDIT_FOLDER, type AuditBytes } from "../../layout/audit-log.ts";
import type { NodeCli, NodeContext } from "../node-context.ts";
import {
  ABOUT,
  addShowOptions,
  addVerifyOptions,
  shownAudit,
  verifiedAudit,
  type ShowOptions,
  type VerifyOptions,
} from "./audit-text.ts";

/** `petrify audit` on the machine itself, also where its agent does not answer. */
export function registerAudit(program: Command, cli: NodeCli): void {
  const audit = program.command("audit").summary(ABOUT.summary).description(`${ABOUT.description}\nHas to be run as root.`);
  audit.helpCommand(false);
  const read = async ({ root }: NodeContext): Promise<AuditBytes> => await readAuditFiles(join(root, AUDIT_FOLDER));
  addShowOptions(audit.command("show"), "").action(
    cli.action(async (context, options: ShowOptions) => {
      const { value, text } = shownAudit(await read(context), options);
      context.output.result(value, text);
    }),
  );
  addVerifyOptions(audit.command("verify"), "").action(
    cli.action(async (context, options: VerifyOptions) => {
      const { value, text } = verifiedAudit(await read(context), options);
      context.output.result(value, text);
      if (!value.whole) context.endWith(1);
    }),
  );
}
