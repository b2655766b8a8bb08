import type { Command } from "commander";
import type { Cli } from "../context.ts";
import type { NodeOptions } from "../nodes/options.ts";
import { sizeCell, textCell, timeCell } from "./cells.ts";
import { registerLook } from "./look.ts";

interface ServicesOptions extends NodeOptions {
  readonly inactive?: boolean;
  readonly failed?: boolean;
}

/** `petrify -n NODE services` */
export const registerServices = (program: Command, cli: Cli): void =>
  registerLook<"services", ServicesOptions>(program, cli, {
    ...{ method: "services", name: "services" },
    summary: "services of machines, and what has become of each",
    description:
      "Asks machines for the services of their init. Shown are those that are not inactive; --json has all of them. One that has\n" +
      "failed stands first.",
    examples: ["petrify -n edge-7 services", "petrify -n edge-7,edge-8 services --failed"],
    options: (command) =>
      command.option("--inactive", "also those that are inactive").option("--failed", "only those that have failed"),
    heads: ["SERVICE", "STATE", "SINCE", "MEMORY", "RESTARTS", "BOOT", "DESCRIPTION"],
    rows: ({ services }, { inactive = false, failed = false }) =>
      services
        .filter(({ active }) => active === "failed" || (!failed && (inactive || active !== "inactive")))
        .toSorted((one, other) => Number(other.active === "failed") - Number(one.active === "failed"))
        .map(({ name, active, sub, result, since, memory, restarts, enabled, description }) => [
          name,
          active === "failed" ? `failed (${result})` : `${active} (${sub})`,
          ...[timeCell(since), sizeCell(memory), String(restarts), textCell(enabled), textCell(description)],
        ]),
  });
