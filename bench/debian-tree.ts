import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Progress } from "../src/core/progress.ts";
import { fileExists, makeFolder, moveInto, writeText } from "../src/host/files.ts";
import type { Run } from "../src/host/run.ts";
import { openTools, type Caller, type Tools } from "../src/host/tools.ts";
import { workDir } from "../src/host/work-dir.ts";
import { SUITE } from "./workload.ts";

/** What a tree is made of. */
interface TreeContents {
  /** What it is for, as people are told. */
  readonly title: string;
  readonly suite: string;
  readonly packages: readonly string[];
  /** For mmdebstrap. */
  readonly options?: readonly string[];
}
/** mkosi and every program that its manual asks for to build this image. */
const MKOSI: TreeContents = {
  title: "mkosi",
  suite: SUITE,
  packages: [
    ...["mkosi", "apt", "ca-certificates", "debian-archive-keyring", "uidmap"],
    ...["systemd", "systemd-repart", "systemd-ukify", "kmod", "cpio", "zstd"],
    ...["erofs-utils", "cryptsetup-bin", "mtools", "dosfstools", "e2fsprogs", "fdisk"],
    // the sandbox that we run it in
    "bubblewrap",
  ],
};
/** What else makes updates small. Of Debian's testing suite: its stable one has no desync, and older versions of the rest. */
const DELTAS: TreeContents = {
  title: "other tools for deltas",
  suite: "forky",
  packages: [
    ...["desync", "casync", "zchunk", "ostree", "xdelta3", "zstd", "bsdiff", "rauc", "squashfs-tools", "openssl"],
    ...["time", "bubblewrap"],
  ],
  // A mirror that lags behind, or is frozen, has a testing suite past its date; signatures are checked all the same.
  options: ['--aptopt=Acquire::Check-Valid-Until "false"'],
};
const TREES = { mkosi: MKOSI, deltas: DELTAS } as const;
export type PeerTree = keyof typeof TREES;

interface DebianTreeOptions {
  readonly folder: string;
  /** Its mmdebstrap makes the tree. */
  readonly tools: Tools;
  readonly caller: Caller;
  readonly run: Run;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** A Debian tree with the programs of a peer, kept by what it is made of; it appears by one rename. */
export async function debianTree(
  name: PeerTree,
  { folder, tools, caller, run, progress, signal }: DebianTreeOptions,
): Promise<Tools> {
  const { title, suite, packages, options = [] } = TREES[name];
  const id = createHash("sha256")
    .update(JSON.stringify([tools.id, suite, packages]))
    .digest("hex")
    .slice(0, 16);
  const tree = join(folder, id);
  if (!(await fileExists(join(tree, "etc/resolv.conf")))) {
    await progress.step(`bootstrap a tree with ${title} (once)`, async (note) => {
      await using work = await workDir(join(folder, "work"), caller, run);
      const fresh = join(work.path, "tree");
      const tar = join(work.path, "tree.tar");
      await makeFolder(fresh);
      await tools.run(
        [
          ...(["mmdebstrap", "--mode=root", "--variant=essential", "--format=tar", `--include=${packages.join(",")}`] as const),
          ...['--aptopt=Acquire::Languages "none"', "--dpkgopt=force-unsafe-io", ...options, suite, tar],
        ],
        {
          binds: [{ source: work.path, writable: true }],
          network: true,
          anyOwner: true,
          signal,
          onLine: (line) => note(line.replace(/^I: /, "")),
        },
      );
      await run(["tar", "--extract", "--no-same-owner", "--exclude=./dev/*", `--file=${tar}`, `--directory=${fresh}`], {
        signal,
      });
      for (const empty of ["resolv.conf", "hosts"]) await writeText(join(fresh, "etc", empty), ""); // to be bound over
      await moveInto(fresh, tree);
    });
  }
  return openTools(tree, id, caller, run);
}
