import { createHash } from "node:crypto";
import { join } from "node:path";
import { AppError } from "../core/error.ts";
import type { Progress } from "../core/progress.ts";
import { fileExists, makeFolder, moveInto, writeText } from "../host/files.ts";
import type { Run } from "../host/run.ts";
import { inMountNamespace, openTools, type Caller, type Tools } from "../host/tools.ts";
import { workDir } from "../host/work-dir.ts";

/** What the tools tree is made from: a change of any of these makes a new tree. */
const SUITE = "trixie";
const BUILD = [
  // making a root file system
  ...["mmdebstrap", "apt-utils", "ca-certificates", "debian-archive-keyring", "bubblewrap", "systemd", "kmod"],
  // making images and disks
  ...["erofs-utils", "cryptsetup-bin", "mtools", "dosfstools", "e2fsprogs", "fdisk", "zstd", "xz-utils", "cpio"],
  ...["grub-common", "grub-pc-bin", "grub-efi-amd64-bin"],
  // making the initrd
  ...["quickjs", "libquickjs", "gcc", "libc6-dev"],
  // making what travels with the agent
  ...["patchelf", "binutils", "libstdc++6", "libgcc-s1", "libatomic1"],
  // running them
  ...["qemu-system-x86", "qemu-utils", "seabios", "ovmf"],
] as const;
/** Only for images that come from elsewhere, and most builds never need them: a tree of its own, made when it is first asked for. */
const CONTAINERS = [
  ...["buildah", "skopeo", "umoci", "rpm", "ca-certificates", "bubblewrap", "zstd", "xz-utils", "bzip2"],
  "systemd-container", // systemd-dissect, a judge of our images
] as const;
/** Only for `petrify serve netboot --dhcp`. */
const NETBOOT = ["dnsmasq-base", "ipxe", "bubblewrap"] as const;
/** Only for `--output iso`. */
const MEDIA = ["xorriso", "bubblewrap"] as const;
/** Only for tests: a registry and a signer that others wrote, and what makes certificates for it. */
const REGISTRIES = ["cosign", "docker-registry", "openssl", "bubblewrap"] as const;
/** Only for tests: judges of machine configs. */
const CONFIG = ["cloud-init", "netplan.io", "bubblewrap"] as const;
/** Only for tests: what the documented playbook runs with, and what Node needs where both are on one machine. */
const ANSIBLE = ["ansible-core", "openssh-client", "bubblewrap", "libstdc++6", "libatomic1"] as const;
/** Only for tests: a client of the API that others wrote. */
const GRPC = ["python3-grpcio", "python3-protobuf", "bubblewrap"] as const;
const SETS = {
  build: BUILD,
  containers: CONTAINERS,
  netboot: NETBOOT,
  media: MEDIA,
  registries: REGISTRIES,
  config: CONFIG,
  ansible: ANSIBLE,
  grpc: GRPC,
} as const;
const LEFT_OUT = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"];
/** What a set has of that all the same. */
const KEPT: { readonly [set in ToolsSet]?: readonly string[] } = {
  config: ["/usr/share/doc/cloud-init*", "/usr/share/doc/netplan*"],
};

export type ToolsSet = keyof typeof SETS;

export interface ToolsTreeOptions {
  /** Where trees are kept; a tree is a folder named by its id. */
  readonly folder: string;
  readonly caller: Caller;
  readonly run: Run;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
  /** Which programs; default: those that build images. */
  readonly set?: ToolsSet;
}

/**
 * The tools tree, bootstrapped when it is not there yet.
 *
 * It appears by one rename, so a killed bootstrap leaves only a work folder, which the next one sweeps; of two at once the second to
 * finish finds the first one's tree and drops its own.
 *
 * @throws AppError `TOOLS_TREE_FAILED`
 */
export async function toolsTree({ folder, caller, run, progress, signal, set = "build" }: ToolsTreeOptions): Promise<Tools> {
  const packages = SETS[set];
  const kept = KEPT[set];
  const id = createHash("sha256")
    .update(JSON.stringify([SUITE, packages, LEFT_OUT, ...(kept ? [kept] : [])]))
    .digest("hex")
    .slice(0, 16);
  const tree = join(folder, id);
  if (!(await fileExists(join(tree, "tools.json")))) {
    await progress.step(`bootstrap the ${set === "build" ? "tools tree" : `tools tree for ${set}`} (once)`, async (note) => {
      await using work = await workDir(join(folder, "work"), caller, run);
      const tar = join(work.path, "tree.tar");
      const argv = [
        ...["mmdebstrap", "--mode=root", "--variant=essential", "--format=tar", `--include=${packages.join(",")}`],
        ...['--aptopt=Acquire::Languages "none"', "--dpkgopt=force-unsafe-io"],
        ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`),
        ...(kept ?? []).map((path) => `--dpkgopt=path-include=${path}`),
        ...[SUITE, tar],
      ] as const;
      try {
        await run(inMountNamespace(caller, argv), {
          env: { TMPDIR: work.path },
          signal,
          onLine: (line) => note(line.replace(/^I: /, "")),
        });
      } catch (cause) {
        signal?.throwIfAborted();
        throw new AppError("TOOLS_TREE_FAILED", `the tools tree could not be bootstrapped: ${(cause as Error).message}`, {
          hint: "Check that the Debian mirror can be reached and that the disk has 1.5 GiB free.",
          cause,
        });
      }
      const fresh = join(work.path, "tree");
      await makeFolder(fresh);
      await run(["tar", "--extract", "--no-same-owner", "--exclude=./dev/*", `--file=${tar}`, `--directory=${fresh}`], {
        signal,
      });
      for (const name of ["resolv.conf", "hosts"]) await writeText(join(fresh, "etc", name), ""); // to be bound over
      await writeText(join(fresh, "tools.json"), `${JSON.stringify({ suite: SUITE, packages })}\n`);
      await moveInto(fresh, tree);
    });
  }
  return openTools(tree, id, caller, run);
}
