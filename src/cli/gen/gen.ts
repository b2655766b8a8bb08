import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { registerGenCertificate } from "./certificate.ts";
import { registerGenNodeCertificate } from "./node-certificate.ts";
import { registerGenSecrets } from "./secrets.ts";

/** `petrify gen`: what a fleet's machines and people know one another by. */
export function registerGen(program: Command, cli: Cli): void {
  const gen = program
    .command("gen")
    .summary("make the secrets by which machines and people know one another")
    .description(
      "Makes the authority of your machines, and the certificates that it signs: of people and programs, each with a role,\n" +
        "and of machines. The authority's key stays with you.",
    )
    .helpCommand(false);
  for (const register of [registerGenSecrets, registerGenCertificate, registerGenNodeCertificate]) register(gen, cli);
}
