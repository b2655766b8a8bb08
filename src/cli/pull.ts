import { resolve } from "node:path";
import type { Command } from "commander";
import { AppError } from "../core/error.ts";
import { hex } from "../core/digest.ts";
import { formatSize } from "../core/units.ts";
import { openDirect } from "../host/direct-read.ts";
import { writingTo } from "../host/disk-full.ts";
import { readText } from "../host/files.ts";
import { resumableFile } from "../host/resumable-file.ts";
import { sha256 } from "../host/sha256.ts";
import { kindOf } from "../host/stream-file.ts";
import { secondsNow } from "../host/wall-clock.ts";
import { openUnpackThreads } from "../host/unpack-threads.ts";
import { parsePublicKey } from "../layout/public-key.ts";
import { judgeStored, withoutKeys } from "../registry/judge-stored.ts";
import { openRelease, readSegments, type FoundRelease } from "../registry/open-release.ts";
import { pullImage } from "../registry/pull-release.ts";
import type { ImageStore } from "../registry/store.ts";
import { checkFile } from "../release/check-file.ts";
import { ARCHITECTURE } from "../release/manifest.ts";
import type { Told } from "../release/may-upgrade.ts";
import { trustedKey, trustedKeys } from "../release/trusted-keys.ts";
import type { Cli, CliContext } from "./context.ts";
import { addStoreOptions, openNamedStore, wantedOf, type StoreOptionsOfUser } from "./named-store.ts";
import { UsageError } from "./output.ts";
import { unreadableFile } from "./unreadable-file.ts";

interface PullOptions extends StoreOptionsOfUser {
  readonly output?: string;
  readonly key?: string;
}

export function registerPull(program: Command, cli: Cli): void {
  const command = program
    .command("pull")
    .argument("<reference>", "a release: REGISTRY/REPOSITORY:TAG, …@sha256:…, or oci:FOLDER:TAG")
    .summary("fetch the system image of a release")
    .description(
      "Puts the image together from the segments of a release: each is compared with the release's list\n" +
        "before it is written, the hash tree with its root hash, and the boot files with its sums. A pull that\n" +
        "was stopped is gone on with by the same command. With --key, a release that this key has not signed\n" +
        "is not fetched; without, nobody vouches for it.",
    )
    .option("-o, --output <file>", "write it to this file (default: NAME-VERSION.img)")
    .option("--key <file>", "a public key (PEM) that must have signed the release");
  addStoreOptions(command)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify pull registry.example/team/os:1.4.0\n" +
        "  petrify pull registry.example/team/os:stable -o os.img --key team.pub\n" +
        "  petrify pull oci:/media/stick/os:1.4.0",
    )
    .action(cli.action(pull));
}

async function pull(context: CliContext, name: string, options: PullOptions): Promise<void> {
  const { cwd, output, progress, signal } = context;
  using named = await openNamedStore(name, context, options);
  const { store } = named;
  const wanted = wantedOf(named.reference);
  if (wanted === undefined)
    throw new UsageError("USAGE", `${name} names no release`, { hint: "Add a tag (:1.4.0) or a digest (@sha256:…)." });
  const key = options.key === undefined ? undefined : await publicKey(resolve(cwd, options.key));
  const found = await openRelease(store, wanted, { architecture: ARCHITECTURE, signal });
  const signedBy = key && (await signer(store, found, key, signal));
  const { release, index, imageManifest } = found;
  const path = resolve(cwd, options.output ?? `${fileName(release.name)}-${fileName(release.version)}.img`);
  if ((await kindOf(path)) === "folder")
    throw new UsageError("USAGE", `${path} is a folder`, { hint: "Name the file to write: -o FILE." });
  const digest = hex(sha256.digest(new TextEncoder().encode(release.manifest)));
  const changed = !(await holds(path, digest, signal));
  const pulled = changed
    ? await progress.step(`pull ${release.name} ${release.version}`, async (note) => {
        const list = await readSegments(store, found, { signal });
        return await writingTo(path, async () => {
          await using target = await resumableFile(path, digest.slice(0, 12), list.imageSize);
          await using threads = openUnpackThreads({ salt: imageManifest.veritySalt });
          const tell = (done: number, of: number, fetched: number): void =>
            note(`${Math.floor((done / of) * 100)} % of ${formatSize(of)}, ${formatSize(fetched)} fetched`);
          const result = await pullImage({ store, found, list, target, ...threads, progress: tell, signal });
          await target.finish();
          return result;
        });
      })
    : { fetched: 0, kept: 0 };
  const value = {
    ...{ changed, path, name: release.name, version: release.version, digest: index.digest, image: digest, signedBy },
    bytes: { image: imageManifest.sizes.image, fetched: pulled.fetched, kept: pulled.kept },
  };
  const trust = signedBy === undefined ? "nobody was asked for: name a key with --key" : `by ${signedBy}`;
  const size = `${formatSize(imageManifest.sizes.image)}, fetched ${formatSize(pulled.fetched)}`;
  output.result(
    value,
    [
      `${path} ${changed ? "is" : "was already"} ${release.name} ${release.version}`,
      ...[`digest     ${index.digest}`, `image      ${size}`, `signature  ${trust}`],
    ].join("\n"),
  );
}

/** Names come from a stranger's document. */
const fileName = (text: string): string => text.replaceAll(/[^A-Za-z0-9._+~-]/g, "-").replace(/^\.+/, "-");

async function publicKey(path: string): Promise<ReturnType<typeof parsePublicKey>> {
  const text = await readText(path).catch((cause: unknown) => {
    throw unreadableFile(path, cause);
  });
  return parsePublicKey(text, path);
}

/** @returns the id of the key @throws AppError as mayUpgrade refuses what that key has not signed */
async function signer(
  store: ImageStore,
  found: FoundRelease,
  key: ReturnType<typeof parsePublicKey>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const question = { running: undefined, now: secondsNow(), clockIsSet: true, told: new Set<Told>(["expired"]) };
  const trusted = trustedKeys(1, [trustedKey(key, sha256)]);
  const answer = await judgeStored(store, withoutKeys(found), { ...question, trusted }, { signal });
  if (answer.allowed) return answer.signedBy;
  const { code, message } = answer.refusal;
  throw new AppError(code, message, { hint: "Name the key of whoever made the release, or ask them to sign it." });
}

/** Whether a file is that image already, every byte of it. */
async function holds(path: string, digest: string, signal: AbortSignal): Promise<boolean> {
  if ((await kindOf(path)) !== "file") return false;
  await using image = await openDirect(path);
  try {
    const { found, findings } = await checkFile({ image, sha256, signal });
    return findings.length === 0 && found?.digest === digest;
  } catch (error) {
    if (error instanceof AppError) return false;
    throw error;
  }
}
