import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { registerKeysInit, registerKeysRemove, registerKeysRevoke, registerKeysRotate } from "./change.ts";
import { registerKeysGenerate } from "./generate.ts";
import { registerKeysList, registerKeysShow } from "./list.ts";

const STORY = `
The first keys: one to sign with, and a spare one that is kept in another place, unused:
  petrify keys generate edge
  petrify keys generate spare
  petrify keys init edge.pub spare.pub           # writes trusted-keys.json; \`trust: trusted-keys.json\` in the recipe
  petrify build && petrify push out/edge-1.0.0.img registry.example/edge:1.0.0 --sign edge.key

A new key, as planned: machines learn it from a release that the old one has signed, too:
  petrify keys generate edge-2
  petrify keys rotate edge-2.pub
  petrify build && petrify push out/edge-1.1.0.img registry.example/edge:1.1.0 --sign edge.key
  petrify sign registry.example/edge:1.1.0 --key edge-2.key
  petrify keys remove edge.pub                   # later, when every machine has been there

A key that is lost or stolen: nothing counts any more that it has ever signed:
  petrify keys revoke edge.pub
  petrify build && petrify push out/edge-1.1.1.img registry.example/edge:1.1.1 --sign spare.key`;

/** `petrify keys`: pairs that releases are signed with, and the list of those that machines trust. */
export function registerKeys(program: Command, cli: Cli): void {
  const keys = program
    .command("keys")
    .summary("make the keys that sign releases, and keep the list of those that machines trust")
    .description(
      "Makes key pairs that sign releases, as cosign has them, and keeps the list of those that machines trust. The list\n" +
        "is part of an image (`trust` in the recipe). Machines take the next one from a release that a key of the one\n" +
        "before has signed, and never go back to an older one. Private keys stay with you: keep them out of the recipe's folder.",
    )
    .helpCommand(false)
    .addHelpText("after", STORY);
  for (const register of [
    registerKeysGenerate,
    registerKeysInit,
    registerKeysRotate,
    registerKeysRevoke,
    registerKeysRemove,
    registerKeysList,
    registerKeysShow,
  ])
    register(keys, cli);
}
