import type { Command } from "commander";
import { sha256 } from "../host/sha256.ts";
import { secondsNow } from "../host/wall-clock.ts";
import { keyId } from "../layout/public-key.ts";
import { openRelease } from "../registry/open-release.ts";
import { signRelease } from "../registry/sign-release.ts";
import { ARCHITECTURE } from "../release/manifest.ts";
import type { Cli, CliContext } from "./context.ts";
import { addStoreOptions, openNamedStore, wantedOf, type StoreOptionsOfUser } from "./named-store.ts";
import { UsageError } from "./output.ts";
import { openKeyFile, passwordOption } from "./signing-key.ts";

interface SignOptions extends StoreOptionsOfUser {
  readonly key: string;
  readonly passwordFd?: number;
}

export function registerSign(program: Command, cli: Cli): void {
  const command = program
    .command("sign")
    .argument("<reference>", "a release: REGISTRY/REPOSITORY:TAG, …@sha256:…, or oci:FOLDER:TAG")
    .summary("sign a release that is in a registry already")
    .description(
      "Signs a release, beside the signatures that it has: in the forms of cosign 2 and cosign 3, offline, with no\n" +
        "transparency log. What this key has signed already is not signed again. `petrify push --sign` does it with a push.",
    )
    .requiredOption("--key <file>", "the private key: of `petrify keys generate`, or cosign's")
    .addOption(passwordOption());
  addStoreOptions(command)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify sign registry.example/team/os:1.4.0 --key edge.key\n" +
        "  petrify sign oci:/media/usb/os:1.4.0 --key spare.key --password-fd 3 3<password.txt",
    )
    .action(cli.action(sign));
}

async function sign(context: CliContext, name: string, options: SignOptions): Promise<void> {
  const { output, progress, signal } = context;
  using named = await openNamedStore(name, context, options);
  const wanted = wantedOf(named.reference);
  if (wanted === undefined)
    throw new UsageError("USAGE", `${name} names no release`, { hint: "Add a tag (:1.4.0) or a digest (@sha256:…)." });
  const { index, release } = await openRelease(named.store, wanted, { architecture: ARCHITECTURE, signal });
  const key = await openKeyFile(context, options.key, options.passwordFd);
  const { changed } = await progress.step(
    `sign ${release.name} ${release.version}`,
    async () => await signRelease(named.store, index, key, { now: secondsNow(), signal }),
  );
  const id = keyId(key.publicKey, sha256);
  output.result(
    { changed, digest: index.digest, name: release.name, version: release.version, signedBy: id },
    [
      `${release.name} ${release.version} ${changed ? "is" : "was already"} signed`,
      ...[`digest     ${index.digest}`, `signature  by ${id}`],
    ].join("\n"),
  );
}
