/** What an attacker finds: petrify's open and sealed images beside an image of the same packages that mkosi made, and what others have published of theirs. */
import { join } from "node:path";
import { AppError } from "../src/core/error.ts";
import { fileSize, readRuns } from "../src/host/files.ts";
import { openImage } from "../src/host/image-file.ts";
import { attackSurfaceOf, type AttackSurface } from "../src/inspect/attack-surface.ts";
import { openImageTree, type ImageTree } from "../src/inspect/image-tree.ts";
import { PARTITION_TYPES, decodeGpt } from "../src/layout/gpt.ts";
import type { FindingKind } from "../src/layout/attack-surface/finding.ts";
import { remove, type BenchContext } from "./context.ts";
import { mkosiBuilder } from "./mkosi.ts";
import { petrifyBuilder } from "./petrify.ts";
import type { CountComparison, Report } from "./report.ts";
import { unpackRoot } from "./size.ts";

/** What is counted of every image in the same way. Mounts are left out: only petrify's are known. */
const ROWS: readonly (readonly [title: string, kinds: readonly FindingKind[]])[] = [
  ["executables", ["executable"]],
  ["shells and interpreters", ["shell", "interpreter"]],
  ["package managers", ["packageManager"]],
  ["compilers and debuggers", ["compiler", "debugger"]],
  ["SSH servers and clients", ["sshServer", "sshClient"]],
  ["logins, and what changes the user", ["login", "privilege"]],
  ["set-uid, set-gid and files with capabilities", ["setuid", "setgid", "capability"]],
  ["sockets that others can reach", ["listensNetwork"]],
  ["services that are root without any confinement", ["rootService"]],
  ["what is run by others", ["hook"]],
  ["ways in at the console", ["console"]],
  ["packages", ["package"]],
];

/**
 * Names of programs as Sidero Labs has counted them, with `ls -1 $(echo $PATH | tr ':' '\n') | wc -l`, in systems as they are installed by default. Where
 * /bin is a link to /usr/bin such a count has every name twice.
 *
 * Source: siderolabs.com, "There are only 12 binaries in Talos Linux"
 */
const PUBLISHED = {
  "Talos Linux 1.7.0": 29,
  "Flatcar Container Linux": 2391,
  "Ubuntu Server 22.04": 2780,
  "Amazon Linux 2": 1382,
};
const PATH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];

interface MeasuredSurface {
  readonly counts: AttackSurface["counts"];
  /** In the folders of {@link PATH}, each once. */
  readonly names: number;
  readonly size: number;
}

export async function measureSurfaces(context: BenchContext): Promise<Partial<Pick<Report, "counts" | "sizes" | "notes">>> {
  const { progress } = context;
  const sides = {
    "petrify, open": await petrifyBuilder("image", context),
    "petrify, sealed": await petrifyBuilder("image", context, { folderName: "petrify-sealed", recipe: "profile: sealed\n" }),
    "mkosi, root and verity only": await mkosiBuilder("bare", context),
  };
  const measured: Record<string, MeasuredSurface> = {};
  for (const [name, side] of Object.entries(sides)) {
    await progress.step(`build: ${name}`, async () => await side.prepare());
    measured[name] = await progress.step(`look into: ${name}`, async () => await surfaceOfImage(side.image, context));
  }
  const row = (title: string, of: (one: MeasuredSurface) => number): CountComparison => ({
    title,
    counts: Object.fromEntries(Object.entries(measured).map(([name, one]) => [name, of(one)])),
  });
  return {
    counts: [
      ...ROWS.map(([title, kinds]) => row(title, ({ counts }) => kinds.reduce((sum, kind) => sum + counts[kind], 0))),
      row("names of programs in PATH", ({ names }) => names),
    ],
    sizes: [{ title: "image", sizes: Object.fromEntries(Object.entries(measured).map(([name, { size }]) => [name, size])) }],
    notes: [
      `Names in PATH that [Sidero Labs has published](https://www.siderolabs.com/blog/there-are-only-12-binaries-in-talos-linux/): ${Object.entries(
        PUBLISHED,
      )
        .map(([name, count]) => `${name} ${count}`)
        .join(", ")}. Those systems are not of the same packages, and a count of theirs may have a name twice.`,
    ],
  };
}

/** Of any image with an EROFS as its root: the classifier of `petrify inspect --attack-surface`. */
async function surfaceOfImage(path: string, context: BenchContext): Promise<MeasuredSurface> {
  using file = openImage(path);
  const { partitions } = decodeGpt(file.read, file.size, 512);
  const root = partitions.find(({ type }) => type === PARTITION_TYPES.rootX86);
  if (!root) throw new AppError("ROOT_MISSING", `${path} has no root partition`);
  const folder = join(context.folder, "unpacked", "surface");
  let unpacked: Promise<string> | undefined;
  const tree = openImageTree({
    read: (offset, length) => file.read(root.start + offset, Math.max(0, Math.min(length, root.size - offset))),
    signal: context.signal,
    compressed: async function* (inside) {
      unpacked ??= unpackRoot(path, folder, context);
      yield* readRuns(join(await unpacked, inside), context.signal);
    },
  });
  const none = async (): Promise<never> => await Promise.reject(new Error("a database of packages that needs a program"));
  const { counts } = await attackSurfaceOf(
    { tree, commandLine: "console=ttyS0", work: none },
    { containerTools: none, signal: context.signal },
  );
  if (unpacked) await remove(context, folder);
  return { counts, names: namesInPath(tree), size: await fileSize(path) };
}

const namesInPath = (tree: ImageTree): number =>
  new Set(PATH.map((folder) => tree.find(folder)?.path).filter((folder) => folder !== undefined))
    .values()
    .reduce((sum, folder) => sum + tree.names(folder).length, 0);
