import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { registerCaDeny } from "./deny.ts";
import { registerCaRenew } from "./renew.ts";
import { registerCaServe } from "./serve.ts";
import { registerCaToken } from "./token.ts";

/** `petrify ca`: an authority that signs over the network. */
export function registerCa(program: Command, cli: Cli): void {
  const ca = program
    .command("ca")
    .summary("sign over the network for machines and people that your authority knows")
    .description(
      "Where one wants it, the authority of `petrify gen secrets` signs over the network: certificates that are about to end\n" +
        "are made anew without anybody's being asked.",
    )
    .helpCommand(false);
  for (const register of [registerCaServe, registerCaToken, registerCaRenew, registerCaDeny]) register(ca, cli);
}
