import { resolve } from "node:path";
import type { Command } from "commander";
import { formatSize } from "../core/units.ts";
import { openDirect } from "../host/direct-read.ts";
import { fileExists } from "../host/files.ts";
import { sha256 } from "../host/sha256.ts";
import { checkFile, type FileVerdict } from "../release/check-file.ts";
import { unsigned } from "../release/verifier.ts";
import type { Cli, CliContext } from "./context.ts";
import { imageSource } from "./image-source.ts";
import { addStoreOptions } from "./named-store.ts";
import { UsageError } from "./output.ts";
import { unreadableFile } from "./unreadable-file.ts";
import { verifyRelease, type TrustOptions } from "./verify-release.ts";

export function registerVerify(program: Command, cli: Cli): void {
  const command = program
    .command("verify")
    .argument("<image>", "a system image, or a release: REGISTRY/REPOSITORY:TAG, …@sha256:…, oci:FOLDER:TAG")
    .summary("check every byte of a system image, or whether machines take a release")
    .description(
      "Checks both partition tables, each boot file and every block against the manifest that the image\n" +
        "carries, and that nothing else is in the file: what the manifest does not answer for has to be zero.\n" +
        "Reads from the disk, not from memory. Files beside the image are not asked.\n\n" +
        "Of a release in a registry or a folder: that its documents are what their digests say and its segments are\n" +
        "there, that a trusted key has signed it, that it has not expired, and that machines which have the list of\n" +
        "keys can take the one that it brings. `petrify pull` checks every byte of it.\n\n" +
        "Exit code: 0 the image is whole, or the release is complete and good; 1 it is not, or cannot be judged.",
    )
    .option("--key <files...>", "of a release: public keys, one of which must have signed it")
    .option("--trust <file>", "of a release: the list of trusted keys that machines have")
    .option("--expired", "take a release that has expired");
  addStoreOptions(command)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify verify out/my-os-0.1.0.img\n  petrify verify out/my-os-0.1.0.img --json\n" +
        "  petrify verify registry.example/team/os:1.4.0 --key edge.pub\n" +
        "  petrify verify oci:/media/usb/os:1.4.0 --trust trusted-keys.json",
    )
    .action(
      cli.action(async (context, image: string, options: TrustOptions) => {
        const { is } = await imageSource(image, context.cwd, fileExists);
        if (is === "registry") return await verifyRelease(context, image, options);
        if (options.key ?? options.trust ?? options.expired)
          throw new UsageError("USAGE", "--key, --trust and --expired are for releases in a registry", {
            hint: "What is signed is a release: name it as REGISTRY/REPOSITORY:TAG, or oci:FOLDER:TAG.",
          });
        await verify(context, image);
      }),
    );
}

async function verify(context: CliContext, file: string): Promise<void> {
  const path = resolve(context.cwd, file);
  const { progress, signal, output } = context;
  const { verdict, bytes } = await progress
    .step("verify the image", async (note) => {
      await using image = await openDirect(path);
      const tell = ({ done, total }: { readonly done: number; readonly total: number }): void =>
        note(`${Math.floor((done / total) * 100)} % of ${formatSize(total)}`);
      return { bytes: image.size, verdict: await checkFile({ image, sha256, signal, progress: tell }) };
    })
    .catch((cause: unknown) => {
      throw unreadableFile(path, cause);
    });
  const { found, findings } = verdict;
  const isWhole = findings.length === 0;
  const trust = found && isWhole ? (await unsigned.verify(found.manifest, found.bytes)).says : undefined;
  const facts = found && {
    ...{ name: found.manifest.name, version: found.manifest.version },
    ...{ rootHash: found.manifest.rootHash, digest: found.digest },
  };
  output.result({ whole: isWhole, path, bytes, ...facts, trust, findings }, verdictText(verdict, path, trust));
  if (!isWhole) context.endWith(1);
}

function verdictText({ found, findings }: FileVerdict, path: string, trust: string | undefined): string {
  const [first] = findings;
  if (found && !first) {
    const { name, version, rootHash, sizes } = found.manifest;
    return [
      `${name} ${version} is whole: every byte of ${formatSize(sizes.image)} is as the manifest has it.`,
      ...[`root hash  ${rootHash}`, `manifest   ${found.digest} (SHA-256)`, `signature  ${trust}`],
    ].join("\n");
  }
  return [`${path} is DAMAGED:`, ...findings.map(({ part, what }) => `  ${part.padEnd(11)}  ${what}`)].join("\n");
}
