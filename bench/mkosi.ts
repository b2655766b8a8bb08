import { join } from "node:path";
import { makeFolder, writeText, readText } from "../src/host/files.ts";
import { timed, type Builder, type BuildTime } from "./builder.ts";
import { remove, type BenchContext } from "./context.ts";
import { KERNEL_WORDS, PACKAGES, SUITE, UNITS, writeOverlay } from "./workload.ts";

/**
 * What mkosi is asked for.
 *
 * `bootable`: what petrify makes, the mkosi way: kernel and mkosi's default initrd as a UKI in an ESP, EROFS root, verity.
 * `bare`: root and verity only. No initrd, no boot partition: less than petrify makes, and the fastest that mkosi can be.
 */
export type MkosiVariant = "bootable" | "bare";

/** Stands for the initrd maker that a kernel package depends on, as petrify's own stand-in does: nobody installs one that is not used. */
const STUB = `Package: bench-initrd
Version: 1
Architecture: all
Maintainer: bench <bench@localhost>
Provides: linux-initramfs-tool
Description: stands for the initrd that is made with the image
`;

/** mkosi's own list would add source and debug archives; these are the ones of petrify's tools tree, in the format of sources.list(5). */
async function archiveSources(toolsRoot: string): Promise<string> {
  const lines = (await readText(join(toolsRoot, "etc/apt/sources.list"))).split("\n");
  const stanzas = lines.flatMap((line) => {
    const [, uri, suite, components] = /^deb (\S+) (\S+) (.+)$/.exec(line) ?? [];
    if (uri === undefined) return [];
    const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    return [`Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: ${components}\nSigned-By: ${keyring}\n`];
  });
  return [...stanzas, "Types: deb\nURIs: file:///opt/bench-initrd\nSuites: ./\nTrusted: yes\n"].join("\n");
}

const REPART: Readonly<Record<string, string>> = {
  "10-root.conf":
    "[Partition]\nType=root\nFormat=erofs\nCopyFiles=/\nExcludeFiles=/boot/ /efi/\nVerity=data\nVerityMatchKey=root\nMinimize=best\n",
  "20-root-verity.conf": "[Partition]\nType=root-verity\nVerity=hash\nVerityMatchKey=root\nMinimize=best\n",
};
const REPART_ESP =
  "[Partition]\nType=esp\nFormat=vfat\nCopyFiles=/boot:/\nCopyFiles=/efi:/\nSizeMinBytes=80M\nSizeMaxBytes=80M\n";

const config = (variant: MkosiVariant): string => `[Distribution]
Distribution=debian
Release=${SUITE}
Architecture=x86-64

[Output]
Format=disk
ImageId=bench
ManifestFormat=

[Content]
Packages=
        ${[...PACKAGES, "bench-initrd", ...(variant === "bootable" ? ["systemd-boot-efi"] : [])].join("\n        ")}
WithRecommends=no
WithDocs=no
CleanPackageMetadata=no
KernelCommandLine=${KERNEL_WORDS.join(" ")}
${variant === "bootable" ? "Bootable=yes\nBootloader=uki" : "Bootable=no"}

[Build]
Environment=INITRD=No
`;

/** mkosi in a tree of its own, as root of it, with the network only while it fetches packages. */
export async function mkosiBuilder(variant: MkosiVariant, context: BenchContext): Promise<Builder> {
  const { peerTools, signal } = context;
  const mkosiTools = await peerTools("mkosi");
  const folder = join(context.folder, `mkosi-${variant}`);
  const project = join(folder, "project");
  const [out, cache, packages, workspace, temporary] = ["out", "cache", "packages", "workspace", "tmp"].map((name) =>
    join(folder, name),
  ) as [string, string, string, string, string];
  for (const path of [out, cache, packages, workspace, temporary]) await makeFolder(path);
  await writeText(join(project, "mkosi.conf"), config(variant));
  await writeText(join(project, "mkosi.sandbox/etc/apt/sources.list.d/mkosi.sources"), await archiveSources(context.tools.root));
  const repart = { ...REPART, ...(variant === "bootable" ? { "00-esp.conf": REPART_ESP } : {}) };
  for (const [name, text] of Object.entries(repart)) await writeText(join(project, "mkosi.repart", name), text);
  await writeOverlay(join(project, "mkosi.extra"), "0");
  await writeText(
    join(project, "mkosi.extra/usr/lib/systemd/system-preset/00-bench.preset"),
    Object.keys(UNITS)
      .map((name) => `enable ${name}\n`)
      .join(""),
  );
  await writeStub(join(project, "mkosi.sandbox/opt/bench-initrd"), context);

  const build = async (...options: string[]): Promise<void> =>
    void (await mkosiTools.run(
      [
        ...(["mkosi", `--directory=${project}`, `--output-directory=${out}`, `--package-cache-dir=${packages}`] as const),
        ...[`--workspace-directory=${workspace}`, `--cache-directory=${cache}`, ...options, "build"],
      ],
      {
        binds: [
          { source: folder, writable: true },
          { source: temporary, target: "/var/tmp", writable: true },
        ],
        network: options.includes("--cache-only=never"),
        anyOwner: true,
        env: { HOME: workspace },
        signal,
      },
    ));
  const offline = async (...options: string[]): Promise<BuildTime> => ({
    seconds: await timed(async () => await build("--cache-only=always", "--force", ...options)),
  });
  return {
    title: variant === "bootable" ? "mkosi" : "mkosi, root and verity only",
    image: join(out, "bench.raw"),
    prepare: async () => await build("--cache-only=never", "--force", "--incremental=yes"),
    cold: async () => {
      await remove(context, out);
      await makeFolder(out);
      return await offline("--incremental=no");
    },
    rebuild: async (content) => {
      await writeOverlay(join(project, "mkosi.extra"), content);
      return await offline("--incremental=yes");
    },
  };
}

/** A folder that apt reads as an archive of one package. */
async function writeStub(folder: string, { tools, signal }: BenchContext): Promise<void> {
  await writeText(join(folder, "tree/DEBIAN/control"), STUB);
  const options = { binds: [{ source: folder, writable: true }], cwd: folder, signal };
  await tools.run(["dpkg-deb", "--root-owner-group", "--build", "tree", "bench-initrd_1_all.deb"], options);
  await writeText(join(folder, "Packages"), (await tools.run(["apt-ftparchive", "packages", "."], options)).stdout);
}
