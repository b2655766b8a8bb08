import { mkdir, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileExists, makeFolder, writeText } from "../src/host/files.ts";
import { remove, type BenchContext } from "./context.ts";
import { timed, type Builder, type BuildTime } from "./builder.ts";
import { KERNEL_WORDS, MARKER_UNIT, SUITE, writeOverlay } from "./workload.ts";

const TOP = join(import.meta.dirname, "..");
/** petrify's own default packages and kernel words are the workload's; see {@link KERNEL_WORDS}. */
const RECIPE = `apiVersion: petrify/v1
name: bench
version: 1.0.0
base:
  suite: ${SUITE}
files:
  - source: overlay
    target: /
units:
  enable: [${MARKER_UNIT}]
`;

export interface PetrifyBuilder extends Builder {
  /** Builds the disk that is booted. @returns its path and the seconds of a build that makes image and disk */
  disk(): Promise<{ readonly path: string; readonly seconds: number }>;
}

/** petrify as a user runs it: the command line, Node's start included. */
export async function petrifyBuilder(context: BenchContext): Promise<PetrifyBuilder> {
  const { run, signal } = context;
  const folder = join(context.folder, "petrify");
  const project = join(folder, "project");
  const cache = join(folder, "cache");
  const out = join(folder, "out");
  await makeFolder(cache);
  // The tools tree is warm, as mkosi's is: both are set up once on a machine.
  await mkdir(dirname(context.tools.root), { recursive: true });
  if (!(await fileExists(join(cache, "tools")))) await symlink(dirname(context.tools.root), join(cache, "tools"));
  await writeText(join(project, "petrify.yaml"), RECIPE);
  await writeOverlay(join(project, "overlay"), "0");

  const build = async (outputs = "image"): Promise<BuildTime> => {
    const steps: Record<string, number> = {};
    const argv = ["--cache", cache, "--json", "build", project, "--output", outputs, "--out-dir", out] as const;
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
    title: "petrify",
    image: join(out, "bench-1.0.0.img"),
    prepare: async () => void (await build()),
    cold: async () => {
      await remove(context, out, ...["bases", "work"].map((name) => join(cache, name)));
      return await build();
    },
    warmUp: async () => void (await build()),
    rebuild: async (content) => {
      await writeOverlay(join(project, "overlay"), content);
      return await build();
    },
    disk: async () => ({ seconds: (await build("image,disk")).seconds, path: join(out, "bench-1.0.0.raw") }),
  };
}

function parseStep(line: string): { readonly step?: string; readonly seconds?: number } {
  try {
    return JSON.parse(line) as { step?: string; seconds?: number };
  } catch {
    return {}; // a line of stderr
  }
}

/** Words that petrify adds to every image; the plain disk gets them too. */
export const petrifyWords = KERNEL_WORDS;
