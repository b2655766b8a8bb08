import { createHash } from "node:crypto";
import { join } from "node:path";
import { AppError } from "../core/error.ts";
import type { LockedPackage } from "../config/lock.ts";
import { fileExists, linkFile, listFolder, makeFolder, moveInto, readText, sha256File, writeText } from "../host/files.ts";
import { CommandError, type RunResult } from "../host/run.ts";
import type { BuildContext } from "./context.ts";

/** Where Debian packages come from, and which are asked for by name. */
export interface PackageInputs {
  readonly suite: string;
  /** Default: the archive that the tools tree itself came from. */
  readonly mirror?: string | undefined;
  readonly components: readonly string[];
  /** Accept a release file past its Valid-Until. */
  readonly allowExpired?: boolean;
  readonly names: readonly string[];
  /** Of all that apt chooses, only the packages of these names are taken; default: all. */
  readonly only?: RegExp;
}
export interface Resolved {
  readonly inputs: string;
  readonly time: number;
  readonly packages: readonly LockedPackage[];
}

/** Provides `linux-initramfs-tool`, so that a kernel package does not bring a second maker of initrds. Never in a lock. */
export const INITRD_PACKAGE = "petrify-initrd";
const INITRD_CONTROL = `Package: ${INITRD_PACKAGE}
Version: 1
Architecture: all
Maintainer: petrify <petrify@localhost>
Provides: linux-initramfs-tool
Description: stands for the initrd that petrify builds with the image
`;

export const inputsDigest = ({ suite, mirror, components, names }: PackageInputs): string =>
  createHash("sha256")
    .update(JSON.stringify([suite, mirror ?? "", components.toSorted(), [...new Set(names)].toSorted()]))
    .digest("hex");

/**
 * The exact packages of an image and their files.
 *
 * With a lock that fits the inputs nothing is decided: missing files are fetched and every file is compared with its digest. Else apt
 * decides, preferring the versions of the old lock.
 *
 * @throws AppError `PACKAGE_UNKNOWN`, `PACKAGE_GONE`, `PACKAGES_CONFLICT`, `ARCHIVE_UNREACHABLE`
 */
export async function resolvePackages(
  inputs: PackageInputs,
  lock: Resolved | undefined,
  renew: boolean,
  work: string,
  context: BuildContext,
): Promise<Resolved> {
  const digest = inputsDigest(inputs);
  const apt = await openApt(inputs, work, context);
  const kept = !renew && lock?.inputs === digest ? pick(lock) : undefined;
  const resolved: Resolved = kept ?? { inputs: digest, ...(await apt.decide(inputs.names, renew ? [] : (lock?.packages ?? []))) };
  const missing: LockedPackage[] = [];
  for (const wanted of resolved.packages) {
    if (!(await fileExists(cachedPackage(context, wanted)))) missing.push(wanted);
  }
  if (missing.length > 0) await apt.fetch(missing);
  return resolved;
}

/** Without the rest of a lock. */
const pick = ({ inputs, time, packages }: Resolved): Resolved => ({ inputs, time, packages });

export const cachedPackage = ({ cacheFolder }: BuildContext, { sha256 }: LockedPackage): string =>
  join(cacheFolder, "packages", `${sha256}.deb`);

/** Path of a package's file, whose digest was compared. @throws AppError `CACHE_DAMAGED` */
export async function wholePackage(context: BuildContext, wanted: LockedPackage): Promise<string> {
  const file = cachedPackage(context, wanted);
  if ((await sha256File(file)) === wanted.sha256) return file;
  throw new AppError("CACHE_DAMAGED", `${file} does not have its digest any more`, {
    hint: "Remove that file and build again.",
  });
}

/** A folder that apt can read as an archive of exactly these packages; each file's digest is compared on the way. */
export async function packageArchive(
  packages: readonly LockedPackage[],
  suite: string,
  folder: string,
  context: BuildContext,
): Promise<void> {
  await makeFolder(folder);
  for (const wanted of packages) {
    const file = await wholePackage(context, wanted);
    await linkFile(file, join(folder, `${wanted.name}_${wanted.version.replaceAll(":", "%3a")}_${wanted.arch}.deb`));
  }
  await writeInitrdPackage(folder, context);
  await indexArchive(folder, suite, context);
}

/** With a suite the folder says which one it stands for: mmdebstrap looks for essential packages by it. */
async function indexArchive(folder: string, suite: string | undefined, { tools, signal }: BuildContext): Promise<void> {
  const options = { binds: [{ source: folder, writable: true }], cwd: folder, signal };
  await writeText(join(folder, "Packages"), (await tools.run(["apt-ftparchive", "packages", "."], options)).stdout);
  if (suite === undefined) return;
  const names = ["-o", `APT::FTPArchive::Release::Suite=${suite}`, "-o", `APT::FTPArchive::Release::Codename=${suite}`];
  await writeText(join(folder, "Release"), (await tools.run(["apt-ftparchive", ...names, "release", "."], options)).stdout);
}

async function writeInitrdPackage(folder: string, { tools, signal }: BuildContext): Promise<void> {
  const tree = join(folder, INITRD_PACKAGE);
  await writeText(join(tree, "DEBIAN/control"), INITRD_CONTROL);
  await tools.run(["dpkg-deb", "--root-owner-group", "--build", tree, join(folder, `${INITRD_PACKAGE}_1_all.deb`)], {
    binds: [{ source: folder, writable: true }],
    env: { SOURCE_DATE_EPOCH: "1" },
    signal,
  });
}

interface Apt {
  decide(names: readonly string[], preferred: readonly LockedPackage[]): Promise<Omit<Resolved, "inputs">>;
  fetch(packages: readonly LockedPackage[]): Promise<void>;
}

async function openApt(inputs: PackageInputs, work: string, context: BuildContext): Promise<Apt> {
  const { tools, signal, progress } = context;
  const state = join(work, "apt");
  const local = join(state, "local");
  const options = [
    ...["-q", "-o", `Dir::State=${state}`, "-o", `Dir::State::status=${state}/status`, "-o", `Dir::Cache=${state}/cache`],
    ...["-o", `Dir::Etc::sourcelist=${state}/sources.list`, "-o", "Dir::Etc::sourceparts=/dev/null"],
    ...["-o", `Dir::Etc::preferences=${state}/preferences`, "-o", "Dir::Etc::preferencesparts=/dev/null"],
    ...["-o", "Acquire::Languages=none", "-o", "APT::Install-Recommends=false", "-o", "APT::Sandbox::User=root"],
    ...["-o", "Acquire::ForceHash=SHA256", "-o", "Acquire::Retries=3", "-o", "APT::Architecture=amd64"],
    ...(inputs.allowExpired ? ["-o", "Acquire::Check-Valid-Until=false"] : []),
    ...["-o", "pkgCacheGen::ForceEssential=,"], // else apt counts itself
  ];
  const apt = async (args: readonly string[], cwd = "/"): Promise<RunResult> =>
    await tools.run(["apt-get", ...options, ...args], { binds: [{ source: state, writable: true }], network: true, cwd, signal });

  let updated = false;
  const update = async (): Promise<void> => {
    if (updated) return;
    updated = true;
    for (const name of ["lists/partial", "cache/archives/partial"]) await makeFolder(join(state, name));
    await writeText(join(state, "status"), "");
    await makeFolder(local);
    await writeInitrdPackage(local, context);
    await indexArchive(local, undefined, context);
    await writeText(
      join(state, "sources.list"),
      [...(await archiveLines(tools.root, inputs)), `deb [trusted=yes] file:${local} ./`, ""].join("\n"),
    );
    await apt(["update", "--error-on=any"]).catch((error: unknown) => {
      throw unreachable(inputs, error);
    });
  };

  return {
    decide: async (names, preferred) =>
      await progress.step("choose packages", async (note) => {
        await writeText(
          join(state, "preferences"),
          preferred.map(({ name, version }) => `Package: ${name}\nPin: version ${version}\nPin-Priority: 995\n`).join("\n"),
        );
        await update();
        const { stdout } = await apt(["install", "--yes", "--print-uris", "?essential", INITRD_PACKAGE, ...names]).catch(
          (error: unknown) => {
            throw explain(inputs, error);
          },
        );
        const packages = parseUris(stdout).filter(({ name }) => name !== INITRD_PACKAGE && (inputs.only?.test(name) ?? true));
        note(`${packages.length} packages`);
        return { packages, time: await archiveTime(join(state, "lists")) };
      }),
    fetch: async (missing) =>
      await progress.step(`fetch ${missing.length} packages`, async () => {
        await update();
        const folder = join(state, "fetched");
        await makeFolder(folder);
        await apt(["download", ...missing.map(({ name, version }) => `${name}=${version}`)], folder).catch((error: unknown) => {
          throw gone(error);
        });
        const bySha = new Map<string, string>();
        for (const file of await listFolder(folder)) bySha.set(await sha256File(join(folder, file)), join(folder, file));
        for (const wanted of missing) {
          const file = bySha.get(wanted.sha256);
          if (!file) {
            throw new AppError(
              "PACKAGE_GONE",
              `the archive's ${wanted.name} ${wanted.version} is not the file that petrify.lock names`,
              {
                hint: "Run `petrify build --update-lock` to take the archive's packages of today.",
              },
            );
          }
          await moveInto(file, cachedPackage(context, wanted));
        }
      }),
  };
}

/** The lines of the tools tree's own sources, for another suite; rolling suites have no updates and security of their own. */
async function archiveLines(toolsRoot: string, { suite, mirror, components }: PackageInputs): Promise<string[]> {
  const options = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
  if (mirror) return [`deb ${options} ${mirror} ${suite} ${components.join(" ")}`];
  const rolling = ["sid", "unstable", "testing", "experimental"].includes(suite);
  return (await readText(join(toolsRoot, "etc/apt/sources.list")))
    .split("\n")
    .map((line) => /^deb (?:\[.*\] )?(\S+) [a-z]+((?:-[a-z]+)?) /.exec(line))
    .filter((match) => match !== null)
    .filter(([, , pocket]) => !rolling || pocket === "")
    .map(([, uri, pocket]) => `deb ${options} ${uri} ${suite}${pocket} ${components.join(" ")}`);
}

/** Lines of `apt-get --print-uris`: `'URI' NAME_VERSION_ARCH.deb SIZE SHA256:HEX`. */
export function parseUris(stdout: string): LockedPackage[] {
  return stdout.split("\n").flatMap((line) => {
    const match = /^'[^']+' ([^_]+)_([^_]+)_([^_]+)\.deb \d+ SHA256:([0-9a-f]{64})$/.exec(line);
    if (!match) return [];
    const [, name, version, arch, sha256] = match;
    return [{ name: name!, version: decodeURIComponent(version!), arch: arch!, sha256: sha256! }];
  });
}

/** Seconds since 1970 of the newest `Date:` among the archive's release files. */
async function archiveTime(lists: string): Promise<number> {
  const times: number[] = [];
  for (const name of await listFolder(lists)) {
    if (!name.endsWith("Release")) continue;
    const date = /^Date: (.+)$/m.exec(await readText(join(lists, name)))?.[1];
    if (date) times.push(Date.parse(date) / 1000);
  }
  return Math.max(...times);
}

const errorsOf = (error: unknown): string =>
  error instanceof CommandError
    ? (error.result?.stderr ?? "")
        .split("\n")
        .filter((line) => /^[EW]: /.test(line))
        .map((line) => line.slice(3))
        .join("; ")
    : "";

function explain(inputs: PackageInputs, error: unknown): unknown {
  const text = errorsOf(error);
  const name =
    /Unable to locate package (\S+)/.exec(text)?.[1] ?? /Package '([^']+)' has no installation candidate/.exec(text)?.[1];
  if (name) {
    return new AppError("PACKAGE_UNKNOWN", `the package ${name} is not in ${inputs.suite} (${inputs.components.join(", ")})`, {
      hint: "Check its name under `packages`, and whether it needs another component under `base.components`.",
      cause: error,
    });
  }
  if (!text) return error;
  const details =
    error instanceof CommandError
      ? (error.result?.stdout ?? "").split("\n").filter((line) => /Depends:|Conflicts:/.test(line))
      : [];
  return new AppError(
    "PACKAGES_CONFLICT",
    `the packages cannot be installed together: ${[text, ...details.map((d) => d.trim())].join("; ")}`,
    {
      hint: "Remove one of them from `packages`.",
      cause: error,
    },
  );
}

function gone(error: unknown): unknown {
  const match = /Version '([^']+)' for '([^']+)' was not found/.exec(errorsOf(error));
  if (!match)
    return errorsOf(error)
      ? new AppError("ARCHIVE_UNREACHABLE", `packages could not be fetched: ${errorsOf(error)}`, {
          hint: "Check the network, then build again: what was fetched is kept.",
          cause: error,
        })
      : error;
  return new AppError("PACKAGE_GONE", `the archive no longer has ${match[2]} ${match[1]}, which petrify.lock asks for`, {
    hint: "Run `petrify build --update-lock` to take the archive's packages of today.",
    cause: error,
  });
}

function unreachable({ suite }: PackageInputs, error: unknown): unknown {
  const text = errorsOf(error);
  if (!text) return error;
  const expired = /is expired/.test(text);
  const unknown = /does not have a Release file|404/.test(text);
  return new AppError("ARCHIVE_UNREACHABLE", `the archive of ${suite} could not be read: ${text}`, {
    hint: expired
      ? "Check the clock of this machine. If the mirror is a frozen snapshot, set `base.allowExpired: true`."
      : unknown
        ? "Check `base.suite` and `base.mirror`."
        : "Check the network, then build again.",
    cause: error,
  });
}
