/** A config of many files, applied by the very programs of an image, in its files; and the same files by cloud-init. */
import { join, relative } from "node:path";
import { AppError } from "../src/core/error.ts";
import { NODE_FLAGS } from "../src/build/agent-executable.ts";
import { agentRuntime } from "../src/build/agent-runtime.ts";
import { bundleForNode } from "../src/host/bundle.ts";
import { makeFolder, writeText } from "../src/host/files.ts";
import { encodeRunFacts, RUN_FACTS_PATH } from "../src/layout/run-facts.ts";
import { IMAGE_ROOT } from "../src/layout/fstab.ts";
import { testTools } from "../tests/support/tools.ts";
import { remove, type BenchContext } from "./context.ts";
import { unpackRoot } from "./size.ts";

/** Of one apply. */
export interface ApplyFigures {
  /** From the call to its result. */
  readonly seconds: number;
  /** Of all its processes. */
  readonly cpu: number;
  /** Of its plan. */
  readonly changes: number;
  readonly problems: readonly string[];
}
/** By what is applied, in this order: on a machine that has none, the same again, with other content of one file. */
export interface ApplyRun {
  readonly first: ApplyFigures;
  readonly again: ApplyFigures;
  readonly one: ApplyFigures;
  /** Seconds that cloud-init takes for the first. */
  readonly peer: number;
}

const COUNT = 1000;
/** Of each file's text. */
const LINES = 10;
/** Beside the image's own programs, with its libraries. */
const NODE = "/run/node";

/** As people write it. @param changed content of the file in the middle @param folder of the files */
export const manyFiles = (changed: string, folder = "/etc/bench"): string =>
  [
    "#cloud-config",
    "write_files:",
    ...Array.from({ length: COUNT }, (_, index) => [
      `  - path: ${folder}/${String(index).padStart(4, "0")}.conf`,
      '    permissions: "0640"',
      "    content: |",
      ...linesOf(index, index === COUNT / 2 ? changed : "as ever").map((line) => `      ${line}`),
    ]).flat(),
    "",
  ].join("\n");
const linesOf = (index: number, content: string): string[] =>
  Array.from({ length: LINES }, (_, line) => `key-${line} = value ${line} of file ${index}, ${content}`);

/** @param image whose files are unpacked, once */
export async function openApplies(image: string, context: BenchContext): Promise<() => Promise<ApplyRun>> {
  const { tools, signal } = context;
  const folder = join(context.folder, "config");
  const tree = await unpackRoot(image, join(folder, "unpacked"), context);
  const inside = join("/bench", relative(folder, tree));
  const at = (name: string): string => join(folder, name);
  const program = await bundleForNode(join(import.meta.dirname, "config-program.ts"), {});
  await writeText(at("program.mjs"), program);
  const runtime = await agentRuntime({ tools, signal, cacheFolder: folder }, folder);
  const facts = { slot: "a", file: "/a.img", rootHash: "", partitions: {}, notes: [], reached: {} } as const;
  await writeText(at("boot.json"), encodeRunFacts(facts));
  const judges = await testTools("config");
  await writeText(at("cloud.yaml"), manyFiles("before", "/tmp/bench")); // in memory, too

  return async () => {
    await remove(context, at("oem"));
    await makeFolder(at("oem"));
    const binds = [
      { source: folder, target: "/bench", writable: true },
      { source: runtime, target: "/bench-runtime" },
    ];
    const root = [
      ...["bwrap", "--ro-bind", inside, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run"],
      // As the initrd leaves it: changes of /etc are in memory, and the image is there without them.
      ...["--overlay-src", `${inside}/etc`, "--tmp-overlay", "/etc"],
      ...["--ro-bind", inside, IMAGE_ROOT, "--ro-bind", "/bench/boot.json", RUN_FACTS_PATH],
      ...[
        "--bind",
        "/bench/oem",
        "/oem",
        "--ro-bind",
        "/bench/program.mjs",
        "/run/program.mjs",
        "--ro-bind",
        "/bench-runtime/bin/node",
        NODE,
      ],
      ...["--setenv", "MALLOC_ARENA_MAX", "1", NODE, ...NODE_FLAGS, "/run/program.mjs"],
    ] as [string, ...string[]];
    const configs = [manyFiles("before"), manyFiles("before"), manyFiles("after")];
    const { stdout } = await tools.run(root, { binds, anyOwner: true, stdin: JSON.stringify(configs), signal });
    const [first, again, one] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as ApplyFigures);
    const wrong = [first, again, one].flatMap((figures) => figures?.problems ?? ["there is no result"]);
    if (!first || !again || !one || wrong.length > 0 || again.changes !== 0 || one.changes !== 1 || first.changes < COUNT)
      throw new AppError("CONFIG_UNCLEAR", `a config of many files is not applied: ${wrong.join("; ")}\n${stdout}`);
    return { first, again, one, peer: await byCloudInit() };
  };

  async function byCloudInit(): Promise<number> {
    const own = { log: "/var/log", lib: "/var/lib" } as const;
    for (const name of Object.keys(own)) {
      await remove(context, at(name));
      await makeFolder(at(name));
    }
    const binds = [
      { source: at("cloud.yaml"), target: "/tmp/cloud.yaml" },
      ...Object.entries(own).map(([name, target]) => ({ source: at(name), target, writable: true })),
    ];
    const argv = ["cloud-init", "single", "--file", "/tmp/cloud.yaml", "--name", "write_files", "--frequency", "always"] as const;
    const since = performance.now();
    await judges.run(argv, { binds, anyOwner: true, signal });
    return (performance.now() - since) / 1000;
  }
}
