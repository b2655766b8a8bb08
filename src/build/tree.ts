/** Steps that turn a base into the root file system of an image; build.ts calls them in order. */
import { join, resolve } from "node:path";
import { AppError } from "../core/error.ts";
import type { LockedId } from "../config/lock.ts";
import { mountedOver } from "../config/persistent-path.ts";
import type { Recipe, RecipeFile } from "../config/recipe.ts";
import type { InitKind } from "../config/words.ts";
import { makeFolder, readBytes, walk, writeText } from "../host/files.ts";
import { CommandError } from "../host/run.ts";
import { rootFs, type RootFs } from "../host/rootfs.ts";
import type { ToolsRunOptions } from "../host/tools.ts";
import { addUsers, applyMoves, idMoves, lockIds, ownerIds, type AccountFiles, type Ids } from "./accounts.ts";
import type { BuildContext } from "./context.ts";
import { serialConsoles } from "../layout/cmdline.ts";
import { setServices } from "./openrc.ts";
import { dropEmptyModuleList, maskIdleUnits, offerEnrolment, startConsolesAtOnce, unitFolders } from "./default-units.ts";

/** The root file system of the image that is being built. */
export interface Tree {
  readonly fs: RootFs;
  /** Runs a tool as root of the tree's ids, with the tree writable at its path. */
  readonly tool: (argv: readonly [string, ...string[]], options?: ToolsRunOptions) => Promise<string>;
}

/** Unpacks a base and gives every user and group the id it had in the builds before. */
export async function unpackBase(tar: string, locked: Ids, work: string, context: BuildContext): Promise<Tree> {
  let folder = join(work, "root");
  await unpackTar(tar, folder, context);
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
    await unpackTar(moved, folder, context);
  }
  const tree = openTree(folder, context);
  await writeAccounts(tree.fs, applyMoves(await readAccounts(tree.fs), moves));
  return tree;
}

/** Unpacks a tar with everything that it says of its files into a folder of its own. */
export async function unpackTar(tar: string, folder: string, { tools, signal }: BuildContext): Promise<void> {
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

/** @param folder on the host */
export function openTree(folder: string, { tools, signal }: BuildContext): Tree {
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
    gshadow: await fs.read("/etc/gshadow"),
  };
}

async function writeAccounts(fs: RootFs, { passwd, group, shadow, gshadow }: AccountFiles): Promise<void> {
  await fs.write("/etc/passwd", passwd);
  await fs.write("/etc/group", group);
  await fs.write("/etc/shadow", shadow, 0o640);
  // Without one, group passwords are in /etc/group, and a new one would go before it.
  if (gshadow !== undefined) await fs.write("/etc/gshadow", gshadow, 0o640);
}

/** Adds the recipe's users with their homes and keys. @returns every id that is in use or was, for the lock */
export async function addRecipeUsers({ fs, tool }: Tree, { users }: Recipe, locked: Ids): Promise<Ids> {
  const shell = (await fs.exists("/bin/bash")) ? "/bin/bash" : "/bin/sh";
  const { files, homes } = addUsers(await readAccounts(fs), users, locked, shell);
  await writeAccounts(fs, files);
  const shadowGroup = idOf("shadow", lockIds(files, locked).groups);
  if (shadowGroup !== undefined) {
    const paths = [];
    for (const path of ["/etc/shadow", "/etc/gshadow"]) if (await fs.exists(path)) paths.push(await fs.resolve(path));
    await tool(["chown", `0:${shadowGroup}`, ...paths]);
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
export async function setUnits(tree: Tree, recipe: Recipe, init: InitKind): Promise<void> {
  const { tool, fs } = tree;
  const { units, kernel, profile } = recipe;
  if (init === "openrc") return await setServices(fs, recipe);
  await maskIdleUnits(tree, recipe);
  await dropEmptyModuleList(tree);
  await startConsolesAtOnce(tree, serialConsoles(kernel.cmdline));
  if (profile === "open") await offerEnrolment(tree);
  for (const [verb, names] of [
    ["enable", units.enable],
    ["disable", units.disable],
    ["mask", units.mask],
  ] as const) {
    if (names.length === 0) continue;
    try {
      await tool(["systemctl", `--root=${fs.folder}`, "--quiet", verb, ...names], {
        // The tools' systemctl knows merged trees only. Source: systemctl(1), SYSTEMD_UNIT_PATH
        env: { SYSTEMD_UNIT_PATH: ["/etc/systemd/system", ...(await unitFolders(fs))].join(":") },
      });
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
  const release = (await fs.read("/etc/os-release")) ?? (await fs.read("/usr/lib/os-release")) ?? unnamed(name, version);
  const kept = release.split("\n").filter((line) => line !== "" && !/^IMAGE_(ID|VERSION)=/.test(line));
  await fs.write("/usr/lib/os-release", [...kept, `IMAGE_ID=${name}`, `IMAGE_VERSION=${version}`, ""].join("\n"));
  await fs.link("/etc/os-release", "../usr/lib/os-release");
}

/** For a base that does not say what it is. */
const unnamed = (name: string, version: string): string =>
  [`NAME="${name}"`, `ID=${name}`, `VERSION_ID="${version}"`, `PRETTY_NAME="${name} ${version}"`].join("\n");

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
