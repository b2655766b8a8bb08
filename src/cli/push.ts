import { resolve } from "node:path";
import type { Command } from "commander";
import { AppError } from "../core/error.ts";
import { formatSize } from "../core/units.ts";
import { openDirect } from "../host/direct-read.ts";
import { openImage } from "../host/image-file.ts";
import { sha256 } from "../host/sha256.ts";
import { secondsNow } from "../host/wall-clock.ts";
import { PACKERS_AT_ONCE, zstdPackSegment } from "../host/zstd.ts";
import { containerOfImage } from "../inspect/container.ts";
import { sbomOf } from "../inspect/sbom.ts";
import { tagOfVersion, type Descriptor } from "../layout/oci-image.ts";
import { pushRelease, type PushedRelease } from "../registry/push-release.ts";
import { signRelease } from "../registry/sign-release.ts";
import { keyId } from "../layout/public-key.ts";
import { bytesOf } from "../inspect/image-tree.ts";
import type { OpenedImage } from "../inspect/open-image.ts";
import { decodeTrustedKeys, TRUSTED_KEYS_PATH, type TrustedKeys } from "../release/trusted-keys.ts";
import { checkFile } from "../release/check-file.ts";
import type { FoundManifest } from "../release/verify-image.ts";
import type { Cli, CliContext } from "./context.ts";
import { parseExpiry } from "./expiry.ts";
import { inspectContextOf, openNamedImage } from "./inspect-context.ts";
import { formatReference } from "../registry/reference.ts";
import { addStoreOptions, openNamedStore, type StoreOptionsOfUser } from "./named-store.ts";
import { UsageError } from "./output.ts";
import { pushDeltas, type PushedDelta } from "./push-deltas.ts";
import { provenanceOf, readProvenance } from "./push-provenance.ts";
import { openKeyFile, passwordOption } from "./signing-key.ts";
import { unreadableFile } from "./unreadable-file.ts";

interface PushOptions extends StoreOptionsOfUser {
  readonly channel?: string;
  readonly security?: boolean;
  readonly expires?: string;
  readonly container: boolean;
  readonly sbom: boolean;
  readonly provenance?: string;
  readonly deltaFrom?: readonly string[];
  readonly sign?: string;
  readonly passwordFd?: number;
}

const LARGEST_KEYS = 131_072;
const SBOM_TYPES = { spdx: "application/spdx+json", cyclonedx: "application/vnd.cyclonedx+json" } as const;

export function registerPush(program: Command, cli: Cli): void {
  const command = program
    .command("push")
    .argument("<image>", "a system image")
    .argument("<reference>", "where to: REGISTRY/REPOSITORY[:TAG], or oci:FOLDER[:TAG]; default tag: the version")
    .summary("bring a system image to a registry as a release")
    .description(
      "Checks every byte of the image, and pushes it in segments that are packed each alone: what the\n" +
        "registry has already, from this release or an earlier one, is not sent again. The same system goes\n" +
        "along as a plain container image, and bills of materials (SPDX, CycloneDX) refer to the release.\n" +
        "The tag comes last. A push that was stopped is gone on with by the same command; the same image\n" +
        "under the same tag changes nothing. Credentials are those of docker or podman (`docker login`).",
    )
    .option("--channel <name>", "say in the release which channel it is for: stable, beta …")
    .option("--security", "say in the release that it mends something that others could use: machines may take it sooner")
    .option("--expires <when>", "from then on machines do not take it: 90d, 12w, 36h, or a date")
    .option("--no-container", "leave the plain container image out")
    .option("--no-sbom", "leave the bills of materials out")
    .option("--provenance <file>", "say how the image was made: SLSA's provenance (JSON), e.g. of your CI")
    .option(
      "--delta-from <tag...>",
      "make deltas from the releases at these tags of the repository; auto: from the three before this one",
    )
    .option("--sign <key>", "sign it with this private key, for machines that trust its public one")
    .addOption(passwordOption());
  addStoreOptions(command)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify push out/my-os-1.4.0.img registry.example/team/os:1.4.0\n" +
        "  petrify push out/my-os-1.4.0.img registry.example/team/os:stable --expires 90d --delta-from auto --sign team.key\n" +
        "  petrify push out/my-os-1.4.0.img oci:/media/stick/os:1.4.0 --delta-from 1.3.0 1.2.0\n" +
        "  petrify push out/my-os-1.4.0.img http://192.0.2.2:5000/os    # plain HTTP only when it is written",
    )
    .action(cli.action(push));
}

async function push(context: CliContext, file: string, name: string, options: PushOptions): Promise<void> {
  const { env, output, progress, signal } = context;
  const expires = options.expires === undefined ? undefined : parseExpiry(options.expires);
  if (options.channel !== undefined && !/^[a-z0-9][a-z0-9._-]{0,63}$/.test(options.channel))
    throw new UsageError("USAGE", `--channel ${options.channel}: small letters, digits, dots and dashes, 64 at most`);
  using named = await openNamedStore(name, context, options);
  const { store, reference } = named;
  if (reference.digest !== undefined) {
    throw new UsageError("USAGE", "what is pushed has the digest that it has", { hint: "Name a tag, or nothing." });
  }
  const key = options.sign === undefined ? undefined : await openKeyFile(context, options.sign, options.passwordFd);
  const predicate = options.provenance && (await readProvenance(resolve(context.cwd, options.provenance)));
  const path = resolve(context.cwd, file);
  const found = await verified(context, path);
  const tag = reference.tag ?? tagOfVersion(found.manifest.version);
  const where = formatReference({ ...reference, tag });

  await using image = await openNamedImage(path, context);
  const container = options.container
    ? await progress.step("make the container image", async () => await containerOfImage(image, signal))
    : undefined;
  const bills = options.sbom
    ? await progress.step("list what is in it", async () => {
        const forms = (["spdx", "cyclonedx"] as const).map(async (form) => {
          const text = JSON.stringify(await sbomOf(image, form, inspectContextOf(context)), undefined, 2);
          return { artifactType: SBOM_TYPES[form], bytes: new TextEncoder().encode(`${text}\n`), annotations: {} };
        });
        return await Promise.all(forms);
      })
    : [];
  const about = ({ digest }: Descriptor) => [...bills, ...(predicate ? [provenanceOf(digest, predicate)] : [])];
  const pushed = await progress.step(`push to ${where}`, async (note) => {
    using opened = openImage(path);
    return await pushRelease({
      ...{ store, tag, image: opened, found, container, signal, pack: zstdPackSegment, packers: PACKERS_AT_ONCE, about },
      facts: {
        ...{ created: createdOf(env), channel: options.channel, security: options.security === true, keys: await keysOf(image) },
        ...(expires ? { expires } : {}),
      },
      progress: (done, of, sent) => note(`${Math.floor((done / of) * 100)} % of ${formatSize(of)}, ${formatSize(sent)} sent`),
    });
  });
  const deltas = await pushDeltas(context, store, { path, pushed }, options.deltaFrom ?? []);
  if (key)
    await progress.step("sign it", async () => await signRelease(store, pushed.index, key, { now: createdOf(env), signal }));
  const signedBy = key && keyId(key.publicKey, sha256);
  await pushed.publish();
  const { release, index, packed, sent, changed } = pushed;
  const value = {
    ...{ changed, reference: where, digest: index.digest, name: release.name, version: release.version },
    ...{ created: release.created, expires: release.expires, channel: release.channel, image: found.digest },
    ...{ bytes: { image: found.manifest.sizes.image, packed, sent }, container: container !== undefined, deltas },
    signedBy,
  };
  output.result(value, pushedText(where, pushed, deltas, signedBy));
}

/** @throws AppError `IMAGE_DAMAGED`: what is not whole is not given to anybody */
async function verified({ progress, signal }: CliContext, path: string): Promise<FoundManifest> {
  return await progress
    .step("verify the image", async (note) => {
      await using image = await openDirect(path);
      const tell = ({ done, total }: { readonly done: number; readonly total: number }): void =>
        note(`${Math.floor((done / total) * 100)} % of ${formatSize(total)}`);
      const { found, findings } = await checkFile({ image, sha256, signal, progress: tell });
      const [first] = findings;
      if (found && !first) return found;
      throw new AppError("IMAGE_DAMAGED", `${path} is damaged: ${first?.what ?? "it has no manifest"}`, {
        hint: "Build it again; `petrify verify` says all that is wrong with it.",
      });
    })
    .catch((cause: unknown) => {
      throw unreadableFile(path, cause);
    });
}

/** The list that machines with the image trust goes along, so that they can take it before they have the image. @throws AppError `KEYS_INVALID` */
async function keysOf({ tree, path }: OpenedImage): Promise<TrustedKeys | undefined> {
  const bytes = await bytesOf(tree, TRUSTED_KEYS_PATH, LARGEST_KEYS);
  return bytes && decodeTrustedKeys(bytes, `${path}: ${TRUSTED_KEYS_PATH}`, sha256);
}

/** Source: reproducible-builds.org/specs/source-date-epoch */
function createdOf({ SOURCE_DATE_EPOCH: epoch }: CliContext["env"]): number {
  if (epoch === undefined || epoch === "") return secondsNow();
  if (/^\d{1,12}$/.test(epoch)) return Number(epoch);
  throw new UsageError("USAGE", `SOURCE_DATE_EPOCH=${epoch} is no number of seconds since 1970`);
}

function pushedText(
  where: string,
  { release, index, imageManifest, packed, sent, changed }: PushedRelease,
  deltas: readonly PushedDelta[],
  signedBy: string | undefined,
): string {
  const date = (seconds: number): string =>
    new Date(seconds * 1000)
      .toISOString()
      .replace(/:\d\d\.000Z$/, " UTC")
      .replace("T", " ");
  const rows = [
    ["digest", index.digest],
    ["created", date(release.created)],
    ...(release.expires === undefined ? [] : [["expires", date(release.expires)]]),
    ["image", `${formatSize(imageManifest.sizes.image)}, packed ${formatSize(packed)}, sent ${formatSize(sent)}`],
    ...deltas.map(({ from, bytes, is }) => [
      "delta",
      `from ${from}: ${formatSize(bytes)}${is === "too-large" ? ", not pushed" : ""}`,
    ]),
    ["signature", signedBy === undefined ? "none by this push" : `by ${signedBy}`],
  ];
  const head = `${release.name} ${release.version} ${changed ? "is" : "was already"} at ${where}`;
  return [head, ...rows.map(([key, value]) => `${key!.padEnd(10)} ${value}`)].join("\n");
}
