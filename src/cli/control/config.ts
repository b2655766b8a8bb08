/** `petrify -n NODE config …`: what makes machines these machines, as `petrify config` on each of them does. */
import type { Command } from "commander";
import type { ApplyMode as Mode } from "../../agent/config/work.ts";
import { planText, type TextPlan } from "../../config/machine/compile/plan-text.ts";
import { dateText } from "../../core/date-text.ts";
import { shortLine } from "../../layout/short-line.ts";
import type { ApplyMode, ConfigGeneration, ConfigPlan, ConfigResult } from "../../protocol/petrify/v1/control_pb.ts";
import { modeOption, MODES } from "../config/apply.ts";
import { FILES, readDocumentBytes } from "../config/document-bytes.ts";
import { documentTexts } from "../config/document-texts.ts";
import { generationNumber } from "../config/generation-number.ts";
import type { Cli, CliContext } from "../context.ts";
import { eachNode, showAnswers, type Answered } from "../nodes/each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "../nodes/options.ts";
import { tableText } from "../table.ts";
import { outcomeJson, outcomeTable } from "./followed.ts";

interface ModeOptions extends NodeOptions {
  readonly mode: Mode;
}
/** Applying one may take a while: packages of settings, services that are started. */
const LIMIT_MS = 300_000;
const WHICH = `${FILES} (default: those of the places in which a machine looks)`;

const protocol = async () => await import("../../protocol/petrify/v1/control_pb.ts");
/** What a message is in JSON, by the schema that it has. */
const json = async () => (await import("@bufbuild/protobuf")).toJson;

/** @param config the command that has those which look at documents */
export function registerControlConfig(config: Command, cli: Cli): void {
  registerPlan(config, cli);
  registerApply(config, cli);
  registerConfirm(config, cli);
  registerRollback(config, cli);
  registerHistory(config, cli);
  registerDiff(config, cli);
}

/** The documents, handed to each machine. */
async function apply(context: CliContext, files: readonly string[], options: ModeOptions): Promise<void> {
  const { cwd, terminal } = context;
  const documents = documentTexts(await readDocumentBytes({ cwd, input: terminal.input }, files));
  const [{ ControlService, ConfigResultSchema }, toJson, mode] = [await protocol(), await json(), await modeOf(options)];
  const answers = await eachNode(context, options, async ({ client }, { signal }) => {
    const { result } = await client(ControlService).applyConfig({ documents, mode }, { signal, timeoutMs: LIMIT_MS });
    return result!;
  });
  showAnswers(context, answers, (result) => toJson(ConfigResultSchema, result), resultTable);
}

function registerPlan(config: Command, cli: Cli): void {
  const command = config
    .command("plan")
    .argument("[file...]", WHICH)
    .summary("what applying machine configs would change on machines")
    .description(
      "Asks each machine what of it differs, what would be done about that in which order, and what would need a reboot. Only\n" +
        "names are told, no contents. Nothing is changed: this is `config apply --mode dry-run`. For admins.",
    );
  addNodeOptionsTo(command)
    .addHelpText("after", "\nExamples:\n  petrify -n edge-7 config plan machine.yaml")
    .action(
      cli.action(
        async (context, files: string[], options: NodeOptions) => await apply(context, files, { ...options, mode: "dry-run" }),
      ),
    );
}

function registerApply(config: Command, cli: Cli): void {
  const command = config
    .command("apply")
    .argument("[file...]", WHICH)
    .summary("make machines what machine configs say")
    .description(
      "Each machine checks the documents, compiles them for its image, and lays down what differs. Nothing of it is changed\n" +
        "where anything is wrong, or cannot be done by its image. The same again changes nothing. For admins.",
    )
    .addOption(modeOption());
  addNodeOptionsTo(command)
    .addHelpText(
      "after",
      `${MODES}\n\nExamples:\n  petrify -n edge-7 config apply machine.yaml --mode dry-run\n  petrify -l site=berlin config apply site.yaml --mode try`,
    )
    .action(cli.action(apply));
}

function registerConfirm(config: Command, cli: Cli): void {
  const command = config
    .command("confirm")
    .summary("keep the machine config that is on trial on machines")
    .description(
      "Keeps what `config apply --mode try` has laid down; without it the one before is back after a minute. For admins.",
    );
  addNodeOptionsTo(command)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify -n edge-7 config apply machine.yaml --mode try && petrify -n edge-7 config confirm",
    )
    .action(
      cli.action(async (context, options: NodeOptions) => {
        const { ControlService } = await protocol();
        const answers = await eachNode(context, options, async ({ client }, { signal }) => {
          const { generation } = await client(ControlService).confirmConfig({}, { signal, timeoutMs: LIMIT_MS });
          return { outcome: `machine config ${generation} is kept`, generation: Number(generation), changed: true };
        });
        showAnswers(context, answers, outcomeJson, outcomeTable);
      }),
    );
}

function registerRollback(config: Command, cli: Cli): void {
  const command = config
    .command("rollback")
    .argument("[generation]", "its number, as `config history` says it (default: the one before)", generationNumber)
    .summary("make machines go back to a machine config that they had")
    .description("Its documents are compiled for the image that runs, and laid down as by apply. For admins.")
    .addOption(modeOption());
  addNodeOptionsTo(command)
    .addHelpText(
      "after",
      `${MODES}\n\nExamples:\n  petrify -n edge-7 config rollback\n  petrify -n edge-7 config rollback 12 --mode dry-run`,
    )
    .action(
      cli.action(async (context, to: number | undefined, options: ModeOptions) => {
        const [{ ControlService, ConfigResultSchema }, toJson, mode] = [await protocol(), await json(), await modeOf(options)];
        const wish = { ...(to === undefined ? {} : { to: BigInt(to) }), mode };
        const answers = await eachNode(context, options, async ({ client }, { signal }) => {
          const { result } = await client(ControlService).rollbackConfig(wish, { signal, timeoutMs: LIMIT_MS });
          return result!;
        });
        showAnswers(context, answers, (result) => toJson(ConfigResultSchema, result), resultTable);
      }),
    );
}

function registerHistory(config: Command, cli: Cli): void {
  const command = config
    .command("history")
    .summary("the machine configs that machines have had")
    .description(
      "Each that is kept, the newest first: its number, when it was made, for which image, of which documents. For readers.",
    );
  addNodeOptionsTo(command)
    .addHelpText("after", "\nExamples:\n  petrify -n edge-7 config history")
    .action(
      cli.action(async (context, options: NodeOptions) => {
        const [{ ControlService, ListConfigsResponseSchema }, toJson] = [await protocol(), await json()];
        const answers = await eachNode(
          context,
          options,
          async ({ client }, call) => await client(ControlService).listConfigs({}, call),
        );
        showAnswers(
          context,
          answers,
          (found) => toJson(ListConfigsResponseSchema, found),
          (rows) =>
            tableText(
              ["NODE", "CONFIG", "OF", "IMAGE", "DOCUMENTS", ""],
              rows.flatMap(({ node, value }) => value.generations.map((one) => [node, ...generationCells(one)].map(shortLine))),
            ),
        );
      }),
    );
}

function registerDiff(config: Command, cli: Cli): void {
  const command = config
    .command("diff")
    .argument("[from]", "number of a machine config (default: the one before)", generationNumber)
    .argument("[to]", "number of another (default: the one that the slot boots with)", generationNumber)
    .summary("what differs between two machine configs that machines have had")
    .description("Names, no contents: those may be secret. For readers.");
  addNodeOptionsTo(command)
    .addHelpText("after", "\nExamples:\n  petrify -n edge-7 config diff\n  petrify -n edge-7 config diff 12 9")
    .action(
      cli.action(async (context, from: number | undefined, to: number | undefined, options: NodeOptions) => {
        const [{ ControlService, DiffConfigsResponseSchema }, toJson] = [await protocol(), await json()];
        const wish = { ...(from === undefined ? {} : { from: BigInt(from) }), ...(to === undefined ? {} : { to: BigInt(to) }) };
        const answers = await eachNode(
          context,
          options,
          async ({ client }, { signal }) => await client(ControlService).diffConfigs(wish, { signal, timeoutMs: LIMIT_MS }),
        );
        showAnswers(
          context,
          answers,
          (found) => toJson(DiffConfigsResponseSchema, found),
          (rows) =>
            rows
              .map(({ node, value }) =>
                textOf(node, `from ${value.from} to ${value.to}\n${shownPlan(value.plan, "nothing differs")}`),
              )
              .join("\n"),
        );
      }),
    );
}

async function modeOf({ mode }: ModeOptions): Promise<ApplyMode> {
  const { ApplyMode: modes } = await protocol();
  return {
    auto: modes.AUTO,
    staged: modes.STAGED,
    try: modes.TRY,
    "no-reboot": modes.NO_REBOOT,
    "dry-run": modes.DRY_RUN,
  }[mode];
}

/** A line for each machine; below it what differs, and what could not be done. */
function resultTable(rows: readonly Answered<ConfigResult>[]): string {
  const table = tableText(
    ["NODE", "CONFIG", "CHANGED", "TRIAL"],
    rows.map(({ node, value: { generation, changed, trialUntil } }) => [
      ...[shortLine(node), generation === undefined ? "-" : String(generation), changed ? "yes" : "no"],
      trialUntil ? "for a minute" : "-",
    ]),
  );
  const below = rows.flatMap(({ node, value: { plan, problems } }) => [
    ...(plan && plan.changes.length > 0 ? [textOf(node, shownPlan(plan, ""))] : []),
    ...problems.map((problem) => shortLine(`${node}: note: ${problem}`)),
  ]);
  return [table, ...below].join("\n");
}

const textOf = (node: string, text: string): string => text.replaceAll(/^/gm, `${shortLine(node)}: `);

/** Words of a machine, each on its line. */
function shownPlan(plan: ConfigPlan | undefined, nothing: string): string {
  if (!plan || plan.changes.length === 0) return nothing;
  const clean: TextPlan = {
    changes: plan.changes.map(({ kind, how, name }) => ({ kind, how, name: shortLine(name) }) as TextPlan["changes"][number]),
    actions: plan.actions.map(({ id, says, after }) => ({ id, says: shortLine(says), after })),
    reboot: plan.reboot.map(shortLine),
  };
  return planText(clean).trimEnd();
}

function generationCells({ generation, readable, at, image, documents, running, trial, slots }: ConfigGeneration): string[] {
  const roles = [...(running ? ["runs"] : []), ...(trial ? ["on trial"] : []), ...(slots.length > 0 ? ["boots"] : [])].join(", ");
  if (!readable) return [String(generation), "-", "-", "unreadable", roles];
  return [
    ...[String(generation), at ? dateText(Number(at.seconds)) : "-", image ? `${image.name} ${image.version}` : "-"],
    ...[documents.join(", ") || "-", roles],
  ];
}
