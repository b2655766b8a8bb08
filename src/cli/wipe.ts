import type { Command } from "commander";
import { findTarget } from "../host/flash-target.ts";
import { petrifyDiskOn } from "../inspect/petrify-disk.ts";
import type { Cli, CliContext } from "./context.ts";
import { describeWipe, wipe, type WipeContext, type WipeOptions } from "./wipe-disk.ts";

/** `petrify wipe DEVICE` of a workstation. */
export function registerWipe(program: Command, cli: Cli): void {
  describeWipe(program).action(
    cli.action(async (context: CliContext, device: string, options: WipeOptions) => {
      const { terminal, progress } = context;
      const step: WipeContext["step"] = async (title, body) => await progress.step(title, body);
      await wipe({ ...context, input: terminal.input, step, nameOf: petrifyDiskOn }, await findTarget(device, context), options);
    }),
  );
}
