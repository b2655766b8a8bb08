/** Steps that turn a base into the root file system of an image; build.ts calls them in order. */
import { dirname, join, resolve } from "node:path";
import { AppError } from "../core/error.ts";
import type { LockedId, LockedPackage } from "../config/lock.ts";
import { mountedOver } from "../config/persistent-path.ts";
import type { Recipe, RecipeFile } from "../config/recipe.ts";
import { makeFolder, readBytes, walk, writeText } from "../host/files.ts";
import { CommandError } from "../host/run.ts";
import { rootFs, type RootFs } from "../host/rootfs.ts";
import type { ToolsRunOptions } from "../host/tools.ts";
import { addUsers, applyMoves, idMoves, lockIds, ownerIds, type AccountFiles, type Ids } from "./accounts.ts";
import type { BuildContext } from "./context.ts";
import { serialConsoles } from "../layout/cmdline.ts";
import { setServices } from "./openrc.ts";
import { dropEmptyModuleList, maskIdleUnits, startConsolesAtOnce } from "./default-units.ts";

/** The root file system of the image that is being built. */
export interface Tree {
  readonly fs: RootFs;
  /** Runs a tool as root of the tree's ids, with the tree writable at its path. */
  readonly tool: (argv: readonly [string, ...string[]], options?: ToolsRunOptions) => Promise<string>;
}

/** Unpacks a base and gives every user and group the id it had in the builds before. */
export async function unpackBase(tar: string, locked: Ids, work: string, context: BuildContext): Promise<Tree> {
  let folder = join(work, "root");
  await extract(tar, folder, context);
  const moves = idMoves(await readAccounts(rootFs(folder)), locked);
  if (moves.uids.size + moves.gids.size > 0) {
    // Packed again with the ids changed: changing owners in place would lose set-uid bits and file capabilities.
    context.progress.note(`${moves.uids.size} users and ${moves.gids.size} groups get the ids of petrify.lock`);
    const lines = (map: ReadonlyMap<number, number>): string => [...map].map(([from, to]) => `+${from} +${to}\n`).join("");
    const [users, groups, moved] = ["users.map", "groups.map", "moved.tar"].map((name) => join(work, name)) as [
      string,
      string,
      string,
    ];
    await writeText(users, lines(moves.uids));
    await writeText(groups, lines(moves.gids));
    await context.tools.run(
      [
        ...([
          "tar",
          "--create",
          `--file=${moved}`,
          `--directory=${folder}`,
          "--numeric-owner",
          "--xattrs",
          "--xattrs-include=*",
        ] as const),
        ...[`--owner-map=${users}`, `--group-map=${groups}`, "."],
      ],
      { binds: [{ source: work, writable: true }], anyOwner: true, signal: context.signal },
    );
    folder = join(work, "root-moved");
    await extract(moved, folder, context);
  }
  const tree = openTree(folder, context);
  await writeAccounts(tree.fs, applyMoves(await readAccounts(tree.fs), moves));
  return tree;
}

async function extract(tar: string, folder: string, { tools, signal }: BuildContext): Promise<void> {
  await makeFolder(folder);
  await tools.run(
    [
      "tar",
      "--extract",
      `--file=${tar}`,
      `--directory=${folder}`,
      "--numeric-owner",
      "--same-permissions",
      "--xattrs",
      "--xattrs-include=*",
      // Else files of a folder with a default ACL inherit from it what they do not have themselves.
      "--delay-directory-restore",
    ],
    { binds: [{ source: tar }, { source: folder, writable: true }], anyOwner: true, signal },
  );
}

function openTree(folder: string, { tools, signal }: BuildContext): Tree {
  const tool: Tree["tool"] = async (argv, { binds = [], ...options } = {}) =>
    (await tools.run(argv, { ...options, binds: [{ source: folder, writable: true }, ...binds], anyOwner: true, signal })).stdout;
  return { fs: rootFs(folder), tool };
}

async function readAccounts(fs: RootFs): Promise<AccountFiles> {
  const read = async (name: string): Promise<string> => (await fs.read(`/etc/${name}`)) ?? "";
  return {
    passwd: await read("passwd"),
    group: await read("group"),
    shadow: await read("shadow"),
    gshadow: await read("gshadow"),
  };
}

async function writeAccounts(fs: RootFs, { passwd, group, shadow, gshadow }: AccountFiles): Promise<void> {
  await fs.write("/etc/passwd", passwd);
  await fs.write("/etc/group", group);
  await fs.write("/etc/shadow", shadow, 0o640);
  await fs.write("/etc/gshadow", gshadow, 0o640);
}

/** Adds the recipe's users with their homes and keys. @returns every id that is in use or was, for the lock */
export async function addRecipeUsers({ fs, tool }: Tree, { users }: Recipe, locked: Ids): Promise<Ids> {
  const shell = (await fs.exists("/bin/bash")) ? "/bin/bash" : "/bin/sh";
  const { files, homes } = addUsers(await readAccounts(fs), users, locked, shell);
  await writeAccounts(fs, files);
  const shadowGroup = idOf("shadow", lockIds(files, locked).groups);
  if (shadowGroup !== undefined) {
    await tool(["chown", `0:${shadowGroup}`, await fs.resolve("/etc/shadow"), await fs.resolve("/etc/gshadow")]);
  }
  for (const { path, uid, gid, sshKeys } of homes) {
    const home = await fs.resolve(path);
    await fs.folderAt(path, 0o700);
    if (sshKeys.length > 0) {
      await fs.folderAt(`${path}/.ssh`, 0o700);
      await fs.write(`${path}/.ssh/authorized_keys`, `${sshKeys.join("\n")}\n`, 0o600);
    }
    await tool(["chown", "--recursive", "--no-dereference", `${uid}:${gid}`, home]);
  }
  return lockIds(files, locked);
}

const idOf = (name: string, ids: readonly LockedId[]): number | undefined => ids.find((entry) => entry.name === name)?.id;

/** Lays the recipe's files over the tree, in their order. @throws AppError `FILE_MISSING`, `FILE_UNFIT`, `OWNER_UNKNOWN` */
export async function layFiles({ fs, tool }: Tree, files: readonly RecipeFile[], recipeFolder: string): Promise<void> {
  const accounts = await readAccounts(fs);
  const owned = new Map<string, string[]>();
  for (const { source, target, mode, owner } of files) {
    const from = resolve(recipeFolder, source);
    const entries = await walk(from).catch((cause: unknown) => {
      throw new AppError(
        "FILE_MISSING",
        `files: ${source} could not be read (${(cause as NodeJS.ErrnoException).code ?? String(cause)})`,
        {
          hint: `Paths are relative to the recipe: ${recipeFolder}.`,
          cause,
        },
      );
    });
    for (const entry of entries) {
      const at = entry.path === "" ? target : join(target, entry.path);
      const hidden = entry.kind === "folder" ? undefined : mountedOver(at);
      if (hidden) {
        throw new AppError(
          "FILE_HIDDEN",
          `files: ${join(source, entry.path)} would lie in ${hidden}, which is mounted over at run time`,
          {
            hint: "Put it elsewhere in the image, for example below /usr/lib or /opt.",
          },
        );
      }
      if (entry.kind === "folder") {
        if (!(await fs.exists(at))) await fs.folderAt(at, entry.mode);
      } else if (entry.kind === "link") await fs.link(at, entry.target);
      else if (entry.kind === "file") {
        const bits = mode === undefined ? entry.mode : Number.parseInt(mode, 8);
        await fs.write(at, await readBytes(join(from, entry.path)), bits);
      } else throw new AppError("FILE_UNFIT", `files: ${join(source, entry.path)} is neither a file, a folder nor a link`);
      if (owner) {
        const ids = ownerIds(owner, accounts);
        owned.set(ids, [...(owned.get(ids) ?? []), await fs.resolve(at, { keepLast: true })]);
      }
    }
  }
  for (const [ids, paths] of owned) await tool(["chown", "--no-dereference", ids, "--", ...paths]);
}

/** petrify's defaults, then the recipe. @throws AppError `UNIT_UNKNOWN` */
export async function setUnits(tree: Tree, recipe: Recipe): Promise<void> {
  const { tool, fs } = tree;
  const { init, units, kernel } = recipe;
  if (init === "openrc") return await setServices(fs, recipe);
  await maskIdleUnits(tree, recipe);
  await dropEmptyModuleList(tree);
  await startConsolesAtOnce(tree, serialConsoles(kernel.cmdline));
  for (const [verb, names] of [
    ["enable", units.enable],
    ["disable", units.disable],
    ["mask", units.mask],
  ] as const) {
    if (names.length === 0) continue;
    try {
      await tool(["systemctl", `--root=${fs.folder}`, "--quiet", verb, ...names]);
    } catch (cause) {
      const text = cause instanceof CommandError ? (cause.result?.stderr.trim() ?? "") : "";
      const name = /Unit (?:file )?(\S+) (?:does not exist|could not be found)/.exec(text)?.[1];
      if (name === undefined) throw cause;
      throw new AppError(
        "UNIT_UNKNOWN",
        `units.${verb}: the image has no unit ${names.find((unit) => unit.startsWith(name)) ?? name}`,
        {
          hint: "Check the name, and that its package is listed under `packages`.",
          cause,
        },
      );
    }
  }
}

/** Names the image in the tree: host name, os-release (source: os-release(5), IMAGE_ID and IMAGE_VERSION). */
export async function nameImage({ fs }: Tree, { name, version, hostname = name }: Recipe): Promise<void> {
  await fs.write("/etc/hostname", `${hostname}\n`);
  await fs.write("/etc/hosts", `127.0.0.1 localhost\n127.0.1.1 ${hostname}\n::1 localhost ip6-localhost ip6-loopback\n`);
  const release = (await fs.read("/etc/os-release")) ?? "";
  const kept = release.split("\n").filter((line) => line !== "" && !/^IMAGE_(ID|VERSION)=/.test(line));
  await fs.write("/usr/lib/os-release", [...kept, `IMAGE_ID=${name}`, `IMAGE_VERSION=${version}`, ""].join("\n"));
  await fs.link("/etc/os-release", "../usr/lib/os-release");
}

/** Takes out what a running system makes for itself, what the build host left, and what differs between two builds. */
export async function cleanTree({ fs, tool }: Tree, { kernel }: Recipe): Promise<void> {
  for (const path of LEFTOVERS) await fs.remove(path);
  // Names and quirks of hardware that the cloud kernel has no drivers for; udev does without.
  if (kernel.flavour === "cloud") await fs.remove("/usr/lib/udev/hwdb.bin");
  for (const folder of EMPTIED) {
    if (await fs.exists(folder)) await tool(["find", await fs.resolve(folder), "-mindepth", "1", "-delete"]);
  }
  await fs.write("/etc/machine-id", "");
  const resolved = "/run/systemd/resolve/stub-resolv.conf";
  if (await fs.exists("/usr/lib/systemd/systemd-resolved")) await fs.link("/etc/resolv.conf", `..${resolved}`);
  else await fs.write("/etc/resolv.conf", "");
  // ConditionNeedsUpdate= compares these with /usr: an image never needs that.
  for (const path of ["/etc/.updated", "/var/.updated"]) await fs.write(path, "");
  for (const name of await tool(["find", await fs.resolve("/etc/ssh"), "-name", "ssh_host_*"])
    .catch(() => "")
    .then((text) => text.split("\n"))) {
    if (name) await fs.remove(name.slice(fs.folder.length));
  }
}

const LEFTOVERS = [
  ...["/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-", "/etc/.pwd.lock"],
  ...[
    "/etc/fstab",
    "/etc/apt/sources.list",
    "/etc/apt/apt.conf.d/99mmdebstrap",
    "/var/lib/systemd/random-seed",
    "/var/lib/urandom/random-seed",
    "/var/lib/dbus/machine-id",
  ],
  ...[
    "/var/cache/ldconfig/aux-cache",
    "/var/lib/dpkg/status-old",
    "/var/lib/dpkg/diversions-old",
    "/var/lib/dpkg/statoverride-old",
  ],
  "/var/lib/dpkg/available-old",
];
const EMPTIED = [
  "/var/log",
  "/var/tmp",
  "/tmp",
  "/run",
  "/var/lib/apt/lists",
  "/var/cache/apt",
  "/var/cache/debconf",
  "/boot",
  "/dev",
];

/** @throws AppError `PRIVATE_KEY_FOUND`: an image is copied to many machines, and whoever has it has the key */
export async function refusePrivateKeys({ fs, tool }: Tree): Promise<void> {
  const found = await tool(
    [
      "grep",
      "--recursive",
      "--files-with-matches",
      "--text",
      "--extended-regexp",
      "--regexp=^-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----$",
      fs.folder,
    ],
    { okExit: [0, 1] },
  );
  const files = found
    .split("\n")
    .filter(Boolean)
    .map((path) => path.slice(fs.folder.length));
  if (files.length === 0) return;
  throw new AppError(
    "PRIVATE_KEY_FOUND",
    `a private key is in the image: ${files.slice(0, 5).join(", ")}${files.length > 5 ? ` and ${files.length - 5} more` : ""}`,
    {
      hint: "Everybody who has an image has its keys. Take it out of `files`, and bring it to each machine by its configuration.",
    },
  );
}

/** The kernel, taken out of the tree: it lives in the boot partition. */
export interface Kernel {
  readonly version: string;
  /** Path on the host, outside the tree. */
  readonly vmlinuz: string;
  /** What it was built with, when its package tells. */
  readonly config: string | undefined;
}

/** Two kernels that their packages' names give away, told before they are installed. @throws AppError `KERNEL_AMBIGUOUS` */
export function refuseTwoKernels(packages: readonly LockedPackage[]): void {
  const kernels = packages.map(({ name }) => /^linux-image-(\d.*)$/.exec(name)?.[1]).filter((version) => version !== undefined);
  if (kernels.length > 1) throw ambiguous(kernels);
}

const ambiguous = (versions: readonly string[]): AppError =>
  new AppError("KERNEL_AMBIGUOUS", `the image has ${versions.length} kernels: ${versions.join(", ")}`, {
    hint: "An image boots one kernel. Choose it by `kernel.flavour`, and take the other's package out of `packages`.",
  });

/** @throws AppError `KERNEL_MISSING`, `KERNEL_AMBIGUOUS` */
export async function takeKernel({ fs, tool }: Tree, work: string): Promise<Kernel> {
  const found = (
    await tool([
      "find",
      fs.folder,
      "-maxdepth",
      "5",
      "(",
      "-path",
      `${fs.folder}/boot/vmlinuz-*`,
      "-o",
      "-path",
      `${fs.folder}/usr/lib/modules/*/vmlinuz`,
      ")",
      "-type",
      "f",
    ])
  )
    .split("\n")
    .filter(Boolean)
    .map((path) => path.slice(fs.folder.length));
  const versionOf = (path: string): string =>
    path.startsWith("/boot/") ? path.slice("/boot/vmlinuz-".length) : path.split("/").at(-2)!;
  const versions = [...new Set(found.map(versionOf))].toSorted();
  if (versions.length > 1) throw ambiguous(versions);
  const path = found[0];
  if (path === undefined) {
    throw new AppError("KERNEL_MISSING", "the image has no kernel: neither /boot/vmlinuz-* nor /usr/lib/modules/*/vmlinuz", {
      hint: "Choose one by `kernel.flavour`, or add a kernel package to `packages`.",
    });
  }
  const version = versionOf(path);
  const vmlinuz = join(work, "vmlinuz");
  await tool(["cp", "--", fs.folder + path, vmlinuz], { binds: [{ source: dirname(vmlinuz), writable: true }] });
  const config = await fs.read(`/boot/config-${version}`);
  for (const copy of [...found, "/vmlinuz", "/vmlinuz.old", "/initrd.img", "/initrd.img.old"]) await fs.remove(copy);
  await tool(["depmod", `--basedir=${fs.folder}`, version]);
  return { version, vmlinuz, config };
}
