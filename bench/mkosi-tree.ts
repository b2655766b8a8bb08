import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Progress } from "../src/core/progress.ts";
import { fileExists, makeFolder, moveInto, writeText } from "../src/host/files.ts";
import type { Run } from "../src/host/run.ts";
import { openTools, type Caller, type Tools } from "../src/host/tools.ts";
import { workDir } from "../src/host/work-dir.ts";
import { SUITE } from "./workload.ts";

/** mkosi and every program that its manual asks for to build this image. */
const PACKAGES = [
  ...["mkosi", "apt", "ca-certificates", "debian-archive-keyring", "uidmap"],
  ...["systemd", "systemd-repart", "systemd-ukify", "kmod", "cpio", "zstd"],
  ...["erofs-utils", "cryptsetup-bin", "mtools", "dosfstools", "e2fsprogs", "fdisk"],
  // the sandbox that we run it in
  "bubblewrap",
] as const;

interface MkosiTreeOptions {
  readonly folder: string;
  /** Its mmdebstrap makes the tree. */
  readonly tools: Tools;
  readonly caller: Caller;
  readonly run: Run;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** A Debian tree with mkosi, kept by what it is made of; it appears by one rename. */
export async function mkosiTree({ folder, tools, caller, run, progress, signal }: MkosiTreeOptions): Promise<Tools> {
  const id = createHash("sha256")
    .update(JSON.stringify([tools.id, SUITE, PACKAGES]))
    .digest("hex")
    .slice(0, 16);
  const tree = join(folder, id);
  if (!(await fileExists(join(tree, "etc/resolv.conf")))) {
    await progress.step("bootstrap a tree with mkosi (once)", async (note) => {
      await using work = await workDir(join(folder, "work"), caller, run);
      const fresh = join(work.path, "tree");
      const tar = join(work.path, "tree.tar");
      await makeFolder(fresh);
      await tools.run(
        [
          ...(["mmdebstrap", "--mode=root", "--variant=essential", "--format=tar", `--include=${PACKAGES.join(",")}`] as const),
          ...['--aptopt=Acquire::Languages "none"', "--dpkgopt=force-unsafe-io", SUITE, tar],
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
      for (const name of ["resolv.conf", "hosts"]) await writeText(join(fresh, "etc", name), ""); // to be bound over
      await moveInto(fresh, tree);
    });
  }
  return openTools(tree, id, caller, run);
}
