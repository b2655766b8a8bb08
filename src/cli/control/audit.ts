import type { Command } from "commander";
import { AppError } from "../../core/error.ts";
import { AUDIT_FILE_SIZE, AUDIT_FILES, AUDIT_HEAD, type AuditBytes } from "../../layout/audit-log.ts";
import type { NodeConnection } from "../../client/open-node.ts";
import {
  ABOUT,
  addShowOptions,
  addVerifyOptions,
  shownAudit,
  verifiedAudit,
  type ShowOptions,
  type VerifyOptions,
} from "../audit/audit-text.ts";
import type { Cli } from "../context.ts";
import { eachNode, showAnswers, type Answered } from "../nodes/each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "../nodes/options.ts";

interface Told {
  readonly value: object;
  readonly text: string;
}

/** `petrify -n NODE audit` */
export function registerControlAudit(program: Command, cli: Cli): void {
  const audit = program
    .command("audit")
    .summary(ABOUT.summary)
    .description(`${ABOUT.description} For readers.`)
    .helpCommand(false);
  addNodeOptionsTo(addShowOptions(audit.command("show"), "-n edge-7 ")).action(
    cli.action(async (context, options: ShowOptions & NodeOptions) => {
      const answers = await eachNode(context, options, async (connection, { signal }, { node }): Promise<Told> =>
        shownAudit(await auditOf(connection, node, signal), options),
      );
      showAnswers(context, answers, valueOf, textOf);
    }),
  );
  addNodeOptionsTo(addVerifyOptions(audit.command("verify"), "-n edge-7 ")).action(
    cli.action(async (context, options: VerifyOptions & NodeOptions) => {
      const answers = await eachNode(context, options, async (connection, { signal }, { node }): Promise<Told> => {
        const found = verifiedAudit(await auditOf(connection, node, signal), options);
        if (!found.value.whole) context.endWith(1);
        return found;
      });
      showAnswers(context, answers, valueOf, textOf);
    }),
  );
}

const valueOf = ({ value }: Told): object => value;
const textOf = (rows: readonly Answered<Told>[]): string =>
  rows.map(({ node, value: { text } }) => text.replaceAll(/^/gm, `${node}: `)).join("\n");

/** The files of a machine, put together from what it has sent. @throws AppError `NODE_FAILED` where that cannot be a log */
async function auditOf({ client }: NodeConnection, node: string, signal: AbortSignal): Promise<AuditBytes> {
  const { ControlService } = await import("../../protocol/petrify/v1/control_pb.ts");
  const files = new Map<string, Uint8Array>();
  for await (const { file, size, offset, data } of client(ControlService).readAudit({}, { signal })) {
    // A machine that sends what it likes must not cost this one its memory.
    const isKnown = [AUDIT_HEAD, ...AUDIT_FILES].some((name) => name === file) && size <= 2 * AUDIT_FILE_SIZE;
    const bytes = files.get(file) ?? new Uint8Array(isKnown ? Number(size) : 0).fill(0x0a);
    if (Number(offset) + data.length > bytes.length) throw new AppError("NODE_FAILED", `${node} has sent what is no audit log`);
    files.set(file, bytes);
    bytes.set(data, Number(offset));
  }
  return { files: [files.get(AUDIT_FILES[0]), files.get(AUDIT_FILES[1])], head: files.get(AUDIT_HEAD) };
}
