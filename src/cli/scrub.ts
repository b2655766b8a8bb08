import { join } from "node:path";
import type { Command } from "commander";
import { Argument } from "commander";
import type { ScrubEvent } from "../agent/scrubber.ts";
import { AGENT_SOCKET } from "../agent/status.ts";
import { VERIFIABLE, type Verifiable } from "../agent/verification.ts";
import { askLocally } from "../host/unix-http.ts";
import { targetName } from "../layout/cmdline.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";

/** `petrify scrub [IMAGE…]` on a machine. */
export function registerScrub(program: Command, cli: NodeCli): void {
  program
    .command("scrub")
    .summary("verify the images on this machine's disk")
    .description(
      "Reads whole images from the disk and compares every block with its hash. An image that is damaged is marked bad; where it is the running one and\nthe other slot is proven, the machine restarts into that. The agent does the same every month, when nobody else wants the disk.\nExit code 1: an image is damaged.",
    )
    .addArgument(new Argument("[image...]", "what to verify (default: all there are)").choices(VERIFIABLE))
    .addHelpText("after", "\nExamples:\n  petrify scrub\n  petrify scrub b recovery --json")
    .action(cli.action(scrub));
}

async function scrub({ root, output, signal, sinks, endWith }: NodeContext, images: readonly Verifiable[]): Promise<void> {
  const results: { readonly image: Verifiable; readonly damage?: string }[] = [];
  const isLive = sinks.columns() > 0;
  for (const url of images.length > 0 ? images.map((image) => `/scrub/${image}`) : ["/scrub"]) {
    for await (const value of askLocally(join(root, AGENT_SOCKET), "POST", url, signal)) {
      const { image, percent, result } = value as ScrubEvent;
      if (result) results.push({ image, ...result });
      else
        output.event(
          Object.assign({ type: "progress" }, { image, percent }),
          isLive ? undefined : `${targetName(image)}: ${percent} %`,
        );
    }
  }
  const lines = results.map(
    ({ image, damage }) => `${targetName(image).padEnd(10)} ${damage === undefined ? "whole" : `DAMAGED: ${damage}`}`,
  );
  output.result({ images: results }, lines.length > 0 ? lines.join("\n") : "There is nothing to verify.");
  if (results.some(({ damage }) => damage !== undefined)) endWith(1);
}
