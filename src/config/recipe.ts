/** @portable The recipe: what an image is made of. Reference: docs/recipe.md; JSON Schema: schemas/recipe.json. */
import { z } from "zod";
import { Base, WHOLE_BASES } from "./base.ts";
import { Health } from "./health.ts";
import { Recovery } from "./recovery.ts";
import { Profile, profileProblems, Sealed } from "./profile.ts";
import { isIn, mountedOver, whyNotPersistent } from "./persistent-path.ts";
import { namedInit, unitProblems } from "./unit-problems.ts";
import * as words from "./words.ts";

const list = <T extends z.ZodType>(item: T): z.ZodDefault<z.ZodArray<T>> => z.array(item).max(2000).default([]);

const Kernel = z.strictObject({
  flavour: z
    .enum(["cloud", "full", "none"])
    .default("cloud")
    .describe("Of a suite. cloud: small, for virtual machines; full: drivers for real hardware; none: `packages` bring one"),
  from: Base.optional().describe(
    "Where kernel and modules come from, in place of the base's own; keys as of `base`. With a suite: its kernel of that flavour",
  ),
  cmdline: list(words.CmdlineWord).describe("Words added to the kernel command line"),
});

const Firmware = z.strictObject({
  packages: list(words.PackageName).describe(
    "Firmware packages, such as firmware-realtek; the component non-free-firmware is added by itself",
  ),
  microcode: list(z.enum(["intel", "amd"])).describe("CPU microcode loaded by the kernel before anything else"),
});

const File = z.strictObject({
  source: words.RelativePath.describe("A file or folder, relative to the recipe; a folder is laid over the target"),
  target: words.AbsolutePath.superRefine((path, context) => {
    const over = mountedOver(path);
    if (over) context.addIssue({ code: "custom", message: `lies in ${over}, which is not part of the image` });
  }).describe("Where it goes in the image, as a full path"),
  mode: words.Mode.optional().describe('Permission bits of a file, octal in quotes: "0644"; default: those of the source'),
  owner: words.Owner.optional().describe("user or user:group; default: root:root"),
});

const Units = z.strictObject({
  enable: list(words.UnitName).describe("Units to start at boot, besides what the packages enable"),
  disable: list(words.UnitName).describe("Units not to start at boot"),
  mask: list(words.UnitName).describe("Units that cannot be started at all; systemd only"),
});

const User = z
  .strictObject({
    name: words.UserName.describe("Login name; root changes the existing root"),
    uid: words.Id.optional().describe("Default: the next free one, kept in petrify.lock"),
    gid: words.Id.optional().describe("Id of the user's own group; default: the same as uid"),
    groups: list(words.UserName).describe("Further groups"),
    shell: words.AbsolutePath.optional().describe("Default: /bin/bash when the image has it, else /bin/sh"),
    home: words.AbsolutePath.optional().describe("Default: /home/NAME"),
    password: words.PasswordHash.optional().describe("Hash as `mkpasswd` prints it; default: no password login"),
    sshKeys: list(words.SshPublicKey).describe("Public keys that may log in"),
  })
  .superRefine(({ name, uid, gid, home }, context) => {
    if (name === "root" && (uid ?? gid ?? home) !== undefined) {
      context.addIssue({ code: "custom", message: "root has uid 0, gid 0 and the home /root in every image" });
    }
  });

const Disk = z.strictObject({
  slotSize: words.Size.optional().describe("Room for one system image; default: the larger of 1.5 GiB and 2 × the image"),
  size: words.Size.optional().describe("Size of the disk file that is built; default: the smallest that fits"),
});

const Root = z.strictObject({
  compression: z
    .enum(["none", "lz4hc", "zstd"])
    .default("none")
    .describe("Of the root file system; none gives the smallest updates, zstd the smallest image"),
});

const Api = z.strictObject({
  maintenance: z
    .boolean()
    .default(false)
    .describe(
      "Whether a machine that nobody owns yet listens, so that anybody in its network can become its owner; systemd only. docs/concepts/pki.md",
    ),
});

/** Two entries of a list that cannot both hold. */
function refuseTwice(
  values: readonly (string | number | undefined)[],
  path: (index: number) => (string | number)[],
  what: string,
) {
  return (context: z.RefinementCtx): void => {
    for (const [index, value] of values.entries()) {
      const first = value === undefined ? index : values.indexOf(value);
      if (first < index) context.addIssue({ code: "custom", path: path(index), message: `${what} ${value} is there twice` });
    }
  };
}

export const Recipe = z
  .strictObject({
    apiVersion: z.literal("petrify/v1").describe("Version of this format"),
    name: words.ImageName.describe("Name of the image; part of its file name"),
    version: words.ImageVersion.default("0.1.0").describe("Version of the image; part of its file name"),
    extends: words.HostPath.optional().describe(
      "Another recipe (or its folder) that this one adds to, or a system image (.img) as its base; docs/concepts/extends.md",
    ),
    base: Base.describe("Where the files come from; a recipe that extends another has that one's"),
    profile: Profile.default("open").describe(
      "sealed: no shell, no SSH, no login, no package manager; the API is the only way in. docs/concepts/sealed.md",
    ),
    sealed: Sealed.prefault({}).describe("Exceptions of a sealed image"),
    packages: list(words.PackageName).describe("Packages to install, besides the few every image has"),
    kernel: Kernel.prefault({}).describe("The kernel and its command line"),
    firmware: Firmware.prefault({}).describe("What real hardware needs besides drivers"),
    files: list(File).describe("Files and folders of your own, laid over the image in this order"),
    init: z
      .enum(["systemd", "openrc"])
      .optional()
      .describe(
        "What starts the system's services. Default: with a suite systemd (openrc: from Debian 13 on), with another base what it has",
      ),
    units: Units.prefault({}).describe("systemd units, or OpenRC services"),
    users: list(User).describe("Users of the image"),
    hostname: words.HostName.optional().describe("Host name; default: the name of the image"),
    persistent: list(
      words.AbsolutePath.superRefine((path, context) => {
        const reason = whyNotPersistent(path);
        if (reason) context.addIssue({ code: "custom", message: `cannot be persistent: ${path} ${reason}` });
      }),
    ).describe("Folders that keep what is written to them, besides /home, /root, /opt, /srv, /var/log, /usr/local and /oem"),
    trust: words.HostPath.optional().describe(
      "List of the keys by which machines know the releases of this image, as `petrify keys` keeps it. Default: releases need no signature",
    ),
    health: Health.prefault({}).describe("When a running image is healthy, besides the checks of every image"),
    recovery: Recovery.prefault({}).describe("When recovery, which boots when no slot does, looks for a way out"),
    api: Api.prefault({}).describe("The API of its machines"),
    disk: Disk.prefault({}).describe("Sizes"),
    root: Root.prefault({}).describe("The root file system"),
  })
  .superRefine((recipe, context) => {
    const { users, persistent, kernel, disk, base, packages, firmware } = recipe;
    const whole = WHOLE_BASES.find((kind) => base[kind] !== undefined);
    for (const [path, names] of [
      [["packages"], packages],
      [["firmware", "packages"], firmware.packages],
      [["firmware", "microcode"], firmware.microcode],
    ] as const) {
      if (whole === undefined || names.length === 0) continue;
      context.addIssue({
        code: "custom",
        path: [...path],
        message: `needs a base with suite: one with ${whole} comes as a whole`,
      });
    }
    const name = users.map((user) => user.name);
    const uid = users.map((user) => user.uid);
    refuseTwice(name, (index) => ["users", index, "name"], "user")(context);
    refuseTwice(uid, (index) => ["users", index, "uid"], "uid")(context);
    refuseTwice(persistent, (index) => ["persistent", index], "path")(context);
    for (const [index, path] of persistent.entries()) {
      const outer = persistent.find((other) => other !== path && isIn(path, other));
      if (outer)
        context.addIssue({ code: "custom", path: ["persistent", index], message: `lies in ${outer}, which is listed too` });
    }
    const kind = namedInit(recipe);
    if (kind === "openrc" && recipe.api.maintenance)
      context.addIssue({
        code: "custom",
        path: ["api", "maintenance"],
        message: "needs systemd: with OpenRC a machine gets its owner by hand (docs/concepts/pki.md)",
      });
    for (const { path, message } of [...profileProblems(recipe, kind), ...(kind ? unitProblems(kind, recipe) : [])]) {
      context.addIssue({ code: "custom", path: [...path], message });
    }
    if (base.suite !== undefined && kernel.from !== undefined && kernel.flavour !== "none") {
      context.addIssue({
        code: "custom",
        path: ["kernel", "from"],
        message: "is there beside the kernel of the base's suite: say `flavour: none` to have only this one",
      });
    }
    if (disk.size !== undefined && disk.slotSize !== undefined && disk.size < 2 * disk.slotSize) {
      context.addIssue({ code: "custom", path: ["disk", "size"], message: "is smaller than the two slots" });
    }
  })
  .meta({ title: "petrify recipe", description: "What an immutable OS image is made of" });

/** A checked recipe with every default filled in; sizes are in bytes. */
export type Recipe = z.output<typeof Recipe>;
export type RecipeFile = Recipe["files"][number];
export type RecipeUser = Recipe["users"][number];

/** Of a whole recipe: one that extends none, or one that is merged with those that it extends. */
export const wholeRecipeJsonSchema = (): JsonSchema => z.toJSONSchema(Recipe, { target: "draft-7", io: "input" }) as JsonSchema;

/** Written to schemas/recipe.json by `npm run generate`. Draft 7, which every editor's YAML support reads. */
export function recipeJsonSchema(): JsonSchema {
  const { required = [], ...schema } = wholeRecipeJsonSchema();
  return { ...schema, anyOf: [{ required }, { required: ["extends"] }] };
}

/** The part of JSON Schema that is used here. */
export interface JsonSchema {
  readonly required?: readonly string[];
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
}
