import { mkdir, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileExists, makeFolder, writeText } from "../src/host/files.ts";
import { remove, type BenchContext } from "./context.ts";
import { timed, type Builder, type BuildTime } from "./builder.ts";
import { SUITE, UNITS, writeOverlay } from "./workload.ts";

const TOP = join(import.meta.dirname, "..");
/** petrify's defaults are the workload's packages and kernel words: petrify.test.ts compares them. */
const recipeWith = (more: Readonly<Record<string, string>>): string => `apiVersion: petrify/v1
name: bench
version: 1.0.0
base:
  suite: ${SUITE}
files:
  - source: overlay
    target: /
units:
  enable: [${Object.keys({ ...UNITS, ...more }).join(", ")}]
`;
export const RECIPE = recipeWith({});

export interface PetrifyBuilder extends Builder {
  /** The disk that the last build made, where it makes one. */
  readonly disk: string;
  readonly iso: string;
}

/** An image that has something more. */
export interface Variant {
  /** Of its folder. */
  readonly folderName?: string;
  /** Unit files by name; they are enabled. */
  readonly units?: Readonly<Record<string, string>>;
  /** Lines at the end of the recipe's `units`. */
  readonly recipe?: string;
  /** Text of a machine config for the medium. */
  readonly config?: string;
}

const TITLES = {
  image: "system image",
  "image,disk": "system image and disk",
  "image,iso": "system image and medium",
} as const;

/** petrify as a user runs it: the command line, Node's start included. */
export async function petrifyBuilder(
  outputs: "image" | "image,disk" | "image,iso",
  context: BenchContext,
  { folderName = outputs === "image" ? "petrify" : "petrify-disk", units = {}, recipe = "", config }: Variant = {},
): Promise<PetrifyBuilder> {
  const { run, signal } = context;
  const folder = join(context.folder, folderName);
  const project = join(folder, "project");
  const cache = join(folder, "cache");
  const out = join(folder, "out");
  await makeFolder(cache);
  // The tools tree is warm, as mkosi's is: both are set up once on a machine.
  await mkdir(dirname(context.tools.root), { recursive: true });
  if (!(await fileExists(join(cache, "tools")))) await symlink(dirname(context.tools.root), join(cache, "tools"));
  await writeText(join(project, "petrify.yaml"), recipeWith(units) + recipe);
  if (config !== undefined) await writeText(join(project, "machine.yaml"), config);
  const withConfig = config === undefined ? [] : ["--config", join(project, "machine.yaml")];
  await writeOverlay(join(project, "overlay"), "0");
  for (const [unit, text] of Object.entries(units)) await writeText(join(project, "overlay/etc/systemd/system", unit), text);

  const build = async (): Promise<BuildTime> => {
    const steps: Record<string, number> = {};
    const argv = ["--cache", cache, "--json", "build", project, "--output", outputs, "--out-dir", out, ...withConfig] as const;
    const seconds = await timed(
      async () =>
        await run([process.execPath, join(TOP, "src/cli/main.ts"), ...argv], {
          signal,
          onLine: (line) => {
            const { step, seconds: taken } = parseStep(line);
            if (step !== undefined && taken !== undefined) steps[step] = taken;
          },
        }),
    );
    return { seconds, steps };
  };
  return {
    title: TITLES[outputs],
    disk: join(out, "bench-1.0.0.raw"),
    image: join(out, "bench-1.0.0.img"),
    iso: join(out, "bench-1.0.0.iso"),
    prepare: async () => void (await build()),
    cold: async () => {
      await remove(context, out, ...["bases", "work"].map((name) => join(cache, name)));
      return await build();
    },
    rebuild: async (content) => {
      await writeOverlay(join(project, "overlay"), content);
      return await build();
    },
  };
}

function parseStep(line: string): { readonly step?: string; readonly seconds?: number } {
  try {
    return JSON.parse(line) as { step?: string; seconds?: number };
  } catch {
    return {}; // a line of stderr
  }
}
