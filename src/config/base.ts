/** @portable The part of a recipe that says where the files of an image come from. docs/concepts/bases.md */
import { z } from "zod";
import * as words from "./words.ts";

/** Bases to which no packages are added: they come as a whole. */
export const WHOLE_BASES = ["oci", "ociArchive", "dockerArchive", "rootfs", "dockerfile", "image"] as const;
const KINDS = ["suite", ...WHOLE_BASES] as const;
/** Keys that belong to one kind each. */
const OF_KIND = {
  mirror: ["suite"],
  components: ["suite"],
  allowExpired: ["suite"],
  tag: ["oci", "ociArchive", "dockerArchive"],
  context: ["dockerfile"],
  target: ["dockerfile"],
  args: ["dockerfile"],
} as const satisfies Readonly<Record<string, readonly (typeof KINDS)[number][]>>;

export const Base = z
  .strictObject({
    suite: words.Suite.optional().describe("Suite of the Debian archive: trixie, bookworm, sid …"),
    mirror: words.Mirror.optional().describe(
      "With `suite`: where packages come from; default: Debian's own archive, with its updates and security",
    ),
    components: z
      .array(words.Component)
      .min(1, "must name at least one component")
      .optional()
      .describe("With `suite`: components of the archive; default: main, the free part"),
    allowExpired: z
      .boolean()
      .optional()
      .describe("With `suite`: take an archive whose release file has expired, as those of frozen snapshots have"),
    oci: words.HostPath.optional().describe("A folder with an OCI image layout"),
    ociArchive: words.HostPath.optional().describe("A tar of an OCI image layout, as `skopeo copy … oci-archive:FILE` writes it"),
    dockerArchive: words.HostPath.optional().describe("A tar as `docker save` and `podman save` write it"),
    tag: words.ImageTag.optional().describe("Which image, where a layout or an archive holds several"),
    rootfs: words.HostPath.optional().describe("A tar of a root file system (plain, gz, xz, zst, bz2), or a folder that is one"),
    dockerfile: words.HostPath.optional().describe("A Dockerfile, built without a daemon"),
    image: words.HostPath.optional().describe(
      "A system image of petrify, whose files and kernel are taken; the same as `extends` with one",
    ),
    context: words.HostPath.optional().describe(
      "With `dockerfile`: the folder that COPY and ADD read; default: the Dockerfile's",
    ),
    target: words.StageName.optional().describe("With `dockerfile`: the stage to stop at; default: the last"),
    args: z
      .record(words.BuildArgName, words.BuildArgValue)
      .optional()
      .describe("With `dockerfile`: values of its ARGs. They are no place for secrets: an image keeps them"),
  })
  .superRefine((base, context) => {
    const given = KINDS.filter((kind) => base[kind] !== undefined);
    if (given.length !== 1) {
      const found = given.length === 0 ? "none of them" : given.join(" and ");
      context.addIssue({ code: "custom", message: `must have exactly one of ${KINDS.join(", ")}; has ${found}` });
      return;
    }
    for (const [key, kinds] of Object.entries(OF_KIND)) {
      if (base[key as keyof typeof OF_KIND] === undefined || (kinds as readonly string[]).includes(given[0]!)) continue;
      context.addIssue({ code: "custom", path: [key], message: `is only for a base with ${kinds.join(" or ")}` });
    }
  });
type Base = z.output<typeof Base>;

export interface SuiteSource {
  readonly kind: "suite";
  readonly suite: string;
  readonly mirror: string | undefined;
  readonly components: readonly string[];
  readonly allowExpired: boolean;
}
/** Paths are as in the recipe: relative to it, or absolute. */
export type BaseSource =
  | SuiteSource
  | { readonly kind: "oci" | "ociArchive" | "dockerArchive"; readonly path: string; readonly tag: string | undefined }
  | { readonly kind: "rootfs"; readonly path: string }
  | { readonly kind: "image"; readonly path: string }
  | {
      readonly kind: "dockerfile";
      readonly path: string;
      readonly context: string | undefined;
      readonly target: string | undefined;
      readonly args: Readonly<Record<string, string>>;
    };

/** The one source that a checked base names. */
export function baseSource(base: Base): BaseSource {
  const {
    suite,
    mirror,
    components = ["main"],
    allowExpired = false,
    tag,
    rootfs,
    image,
    dockerfile,
    context,
    target,
    args = {},
  } = base;
  if (suite !== undefined) return { kind: "suite", suite, mirror, components, allowExpired };
  for (const kind of ["oci", "ociArchive", "dockerArchive"] as const) {
    const path = base[kind];
    if (path !== undefined) return { kind, path, tag };
  }
  if (rootfs !== undefined) return { kind: "rootfs", path: rootfs };
  if (image !== undefined) return { kind: "image", path: image };
  return { kind: "dockerfile", path: dockerfile!, context, target, args };
}

/** The same base with each path of the host changed, such as for a recipe in another folder. */
export function baseFromTop(base: Base, change: (path: string) => string): Base {
  const paths = ["oci", "ociArchive", "dockerArchive", "rootfs", "dockerfile", "image", "context"] as const;
  const given = paths.filter((key) => base[key] !== undefined);
  return { ...base, ...Object.fromEntries(given.map((key) => [key, change(base[key]!)])) };
}
