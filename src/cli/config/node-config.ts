import type { Command } from "commander";
import type { NodeCli } from "../node-context.ts";
import { registerConfigApply } from "./apply.ts";
import { registerConfigConfirm } from "./confirm.ts";
import { registerConfigDiff } from "./diff.ts";
import { registerConfigHistory } from "./history.ts";
import { registerConfigPlan } from "./plan.ts";
import { registerConfigRollback } from "./rollback.ts";
import { registerConfigSources } from "./sources.ts";

const COMMANDS = [
  registerConfigApply,
  registerConfigPlan,
  registerConfigConfirm,
  registerConfigRollback,
  registerConfigHistory,
  registerConfigDiff,
  registerConfigSources,
] as const;

/** `petrify config` on the node: what makes this machine this one, now. */
export function registerNodeConfig(program: Command, cli: NodeCli): void {
  const config = program
    .command("config")
    .summary("make this machine what a machine config says, and go back")
    .description(
      "A machine config is a #cloud-config that makes a machine this one: users, network, files, services. Each that was\n" +
        "applied is kept as a generation, with a number. All of these commands ask the agent, and have to be run as root.",
    )
    .helpCommand(false);
  for (const register of COMMANDS) register(config, cli);
}
