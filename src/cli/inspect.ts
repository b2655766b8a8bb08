import { resolve } from "node:path";
import type { Command } from "commander";
import { readManifest } from "../build/read-manifest.ts";
import { AppError } from "../core/error.ts";
import { formatSize } from "../core/units.ts";
import { toolsOf, type Cli, type CliContext } from "./context.ts";

export function registerInspect(program: Command, cli: Cli): void {
  program
    .command("inspect")
    .argument("<image>", "a system image")
    .summary("say what a system image is")
    .description("Prints the manifest that a system image carries: name, version, kernel, sizes, and the hashes it boots by.")
    .addHelpText("after", "\nExamples:\n  petrify inspect out/my-os-0.1.0.img\n  petrify inspect out/my-os-0.1.0.img --json")
    .action(cli.action(inspect));
}

async function inspect(context: CliContext, file: string): Promise<void> {
  const path = resolve(context.cwd, file);
  const manifest = await readManifest(await toolsOf(context), path, context.signal).catch((cause: unknown) => {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (cause instanceof AppError && ["SYSTEM_IMAGE_INVALID", "GPT_DAMAGED"].includes(cause.code)) {
      throw new AppError("SYSTEM_IMAGE_INVALID", `${path} is not a system image: ${message}`, {
        hint: "Name a system image (.img), not a disk.",
        cause,
      });
    }
    if (code !== "ENOENT" && code !== "EACCES" && code !== "EISDIR") throw cause;
    throw new AppError("FILE_UNREADABLE", `${path} cannot be read (${code})`, { hint: "Make one with `petrify build`.", cause });
  });
  const { name, version, kernel, created, rootHash, sizes } = manifest;
  const rows = {
    name,
    version,
    kernel,
    "packages of": new Date(created * 1000).toISOString().slice(0, 10),
    size: `${formatSize(sizes.image)} (root ${formatSize(sizes.root)}, hash tree ${formatSize(sizes.rootVerity)}, boot ${formatSize(sizes.boot)})`,
    "root hash": rootHash,
  };
  const lines = Object.entries(rows).map(([key, value]) => `${key.padEnd(12)} ${value}`);
  context.output.result(manifest, lines.join("\n"));
}
