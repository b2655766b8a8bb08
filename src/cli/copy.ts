import type { Command } from "commander";
import { AppError } from "../core/error.ts";
import { formatSize } from "../core/units.ts";
import { copyImage, type Copied } from "../registry/copy-image.ts";
import { formatReference, type Reference } from "../registry/reference.ts";
import type { Cli, CliContext } from "./context.ts";
import { addStoreOptions, openNamedStore, wantedOf, type StoreOptionsOfUser } from "./named-store.ts";
import { rateMeter, rateText } from "./rate.ts";

interface CopyOptions extends StoreOptionsOfUser {
  readonly allReferrers?: boolean;
}

export function registerCopy(program: Command, cli: Cli): void {
  const command = program
    .command("copy")
    .argument("<from>", "a release or an image: REGISTRY/REPOSITORY:TAG, oci:FOLDER:TAG, oci-archive:FILE:TAG")
    .argument("<to>", "where it goes; its tag is that of <from> where it names none")
    .summary("copy a release between registries, folders and archives")
    .description(
      "Copies a release with all that belongs to it: the system's segments, the container image, deltas,\n" +
        "signatures, bills of materials and provenance. Any other image is copied likewise. Not a byte\n" +
        "of it changes, so that signatures stay good. What is there already is not sent, and what another\n" +
        "repository of the same registry has is taken from there. The tag comes last: whoever sees it\n" +
        "finds all of it.",
    )
    .option("--all-referrers", "copy everything that refers to it, also what petrify does not know");
  addStoreOptions(command)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify copy registry.example/team/os:1.4.0 oci:/media/usb/os\n" +
        "  petrify copy oci:/media/usb/os:1.4.0 registry.internal:5000/team/os\n" +
        "  petrify copy registry.example/team/os:1.4.0 oci-archive:os-1.4.0.tar\n" +
        "  petrify copy registry.example/team/os:1.4.0 registry.example/team/os:stable",
    )
    .action(cli.action(copy));
}

async function copy(context: CliContext, fromText: string, toText: string, options: CopyOptions): Promise<void> {
  using from = await openNamedStore(fromText, context, options);
  using to = await openNamedStore(toText, context, options);
  const reference = wantedOf(from.reference);
  if (reference === undefined)
    throw new AppError("REFERENCE_INVALID", `${fromText} names no tag and no digest`, {
      hint: `Say which: ${fromText}:TAG; \`petrify releases ${fromText}\` lists releases.`,
    });
  const { digest, tag } = to.reference;
  if (digest !== undefined)
    throw new AppError("REFERENCE_INVALID", `${toText} names a digest`, {
      hint: "What is copied has the digest that it has: name a tag, or none.",
    });
  const { clock, progress, signal, output } = context;
  const as = tag ?? from.reference.tag;
  if (as === undefined && to.reference.kind === "archive")
    throw new AppError("REFERENCE_INVALID", `${toText} names no tag`, { hint: "What is in an archive has one: add a tag." });
  const meter = rateMeter(clock);
  const copied = await progress.step(
    "copy",
    async (note) =>
      await copyImage({
        ...{ from: from.store, to: to.store, reference, tag: as, signal },
        ...{ referrers: options.allReferrers ? "all" : "release", mountFrom: sharedRegistry(from.reference, to.reference) },
        progress: ({ bytes, total }) => note(`${rateText(meter(bytes, total))} of ${formatSize(total)}`),
      }),
  );
  const target = formatReference({ ...to.reference, ...(as === undefined ? { digest: copied.descriptor.digest } : { tag: as }) });
  output.result(
    { from: formatReference(from.reference), to: target, digest: copied.descriptor.digest, ...countsOf(copied) },
    copiedText(copied, target),
  );
}

/** The repository that the other one may take blobs from. */
function sharedRegistry(from: Reference, to: Reference): string | undefined {
  if (from.kind !== "registry" || to.kind !== "registry") return undefined;
  return from.registry === to.registry && from.repository !== to.repository ? from.repository : undefined;
}

const countsOf = ({ manifests, referrers, blobs, bytes }: Copied): object => ({ manifests, referrers, blobs, bytes });

function copiedText({ descriptor, referrers, blobs, bytes }: Copied, target: string): string {
  const left = [
    ...(blobs.there > 0 ? [`${blobs.there} of its blobs were there`] : []),
    ...(blobs.mounted > 0 ? [`${blobs.mounted} were taken from the other repository`] : []),
  ];
  return [
    `${target} is ${descriptor.digest}.`,
    `sent       ${formatSize(bytes.sent)} of ${formatSize(bytes.total)}${left.length > 0 ? ` (${left.join(", ")})` : ""}`,
    `with it    ${referrers === 0 ? "nothing that refers to it" : `${referrers} that refer to it: signatures, deltas, bills of materials`}`,
  ].join("\n");
}
