import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { registerControlConfig } from "../control/config.ts";
import { registerConfigRender } from "./render.ts";
import { registerConfigSchema } from "./schema.ts";
import { registerConfigValidate } from "./validate.ts";

/** `petrify config`: what a machine config says, before a machine reads it. */
export function registerConfig(program: Command, cli: Cli): void {
  const config = program
    .command("config")
    .summary("check machine configs, show what they come to, and apply them to machines")
    .description(
      "A machine config is a #cloud-config that makes a machine this one: users, network, files, services.\n" +
        "Its keys: docs/machine-config.md; what of cloud-init and yip is taken: docs/concepts/cloud-init.md.\n" +
        "Here they are checked, and applied to machines over their API (-n); the machine itself has its own `petrify config`.",
    )
    .helpCommand(false);
  for (const register of [registerConfigValidate, registerConfigRender, registerConfigSchema, registerControlConfig])
    register(config, cli);
}
