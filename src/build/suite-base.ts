import { createHash } from "node:crypto";
import { join } from "node:path";
import type { LockedPackage } from "../config/lock.ts";
import { fileExists, makeFolder, moveInto } from "../host/files.ts";
import type { BuildContext } from "./context.ts";
import { INITRD_PACKAGE, packageArchive, type Resolved } from "./packages.ts";
import { toolFailed } from "../host/tools.ts";
import { decompressModules } from "./stored-modules.ts";

/** Raised when the steps below change: bases of older builds are then made again. */
const BASE_FORMAT = 1;

/** What no machine reads; licences stay. */
const LEFT_OUT = [
  ...["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright"],
  ...["man", "info", "locale", "lintian", "bug", "doc-base"].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
];

/**
 * A tar of the suite with its packages installed and configured and its kernel modules stored decompressed.
 *
 * Depends on nothing but the packages (and the tools), so it is made once and kept; it appears by one rename.
 *
 * @returns path of the tar in the cache
 */
export async function suiteBase(
  suite: string,
  { packages, time }: Resolved,
  work: string,
  context: BuildContext,
): Promise<string> {
  const { tools, cacheFolder, progress, signal } = context;
  const key = createHash("sha256")
    .update(JSON.stringify([BASE_FORMAT, tools.id, suite, time, LEFT_OUT, packages.map((p) => p.sha256).toSorted()]))
    .digest("hex")
    .slice(0, 32);
  const cached = join(cacheFolder, "bases", `${key}.tar`);
  if (await fileExists(cached)) return cached;

  await progress.step(`install ${packages.length} packages of ${suite}`, async (note) => {
    const archive = join(work, "archive");
    const root = join(work, "base");
    await packageArchive(packages, suite, archive, context);
    await makeFolder(root);
    await bootstrap(suite, packages, { archive, root, time, note }, context);
    note("decompressing kernel modules");
    const modules = join(root, "usr/lib/modules");
    if (await fileExists(modules)) await decompressModules(modules, context.tools, context.signal);
    note("packing");
    const tar = join(work, "base.tar");
    await tools.run(
      [
        ...(["tar", "--create", `--file=${tar}`, `--directory=${root}`, "--sort=name", "--numeric-owner"] as const),
        ...["--xattrs", "--xattrs-include=*", "--exclude=./dev/*", "."],
      ],
      { binds: [{ source: work, writable: true }], anyOwner: true, signal },
    );
    await moveInto(tar, cached);
  });
  return cached;
}

async function bootstrap(
  suite: string,
  packages: readonly LockedPackage[],
  { archive, root, time, note }: { archive: string; root: string; time: number; note: (text: string) => void },
  { tools, signal }: BuildContext,
): Promise<void> {
  const names = [INITRD_PACKAGE, ...packages.map(({ name }) => name)].toSorted();
  try {
    await tools.run(
      [
        ...(["mmdebstrap", "--mode=root", "--variant=essential", "--format=directory", `--include=${names.join(",")}`] as const),
        ...["--dpkgopt=force-unsafe-io", ...LEFT_OUT, '--aptopt=Acquire::Languages "none"', "--skip=cleanup/apt/lists"],
        ...[suite, "/run/base", "deb [trusted=yes] copy:/run/archive ./"],
      ],
      {
        binds: [
          { source: archive, target: "/run/archive" },
          { source: root, target: "/run/base", writable: true },
        ],
        anyOwner: true,
        env: { SOURCE_DATE_EPOCH: String(time) },
        signal,
        onLine: (line) => note(line.replace(/^I: /, "")),
      },
    );
  } catch (cause) {
    signal?.throwIfAborted();
    throw toolFailed("mmdebstrap", `the packages of ${suite} could not be installed`, cause);
  }
}
