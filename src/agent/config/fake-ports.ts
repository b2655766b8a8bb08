/** A machine for tests of the way of a config: files in memory, laid by the very code of the initrd's program. */
import { createHash } from "node:crypto";
import { fakeConfig } from "../../config/machine/compile/fake-config.ts";
import type { ImageView } from "../../config/machine/compile/image-view.ts";
import type { NodeConfig } from "../../config/machine/node-config.ts";
import { AppError } from "../../core/error.ts";
import type { GenerationStore } from "../../host/generation-store.ts";
import type { TreeEntry } from "../../layout/compiled-config.ts";
import type { GenerationNumber } from "../../layout/generations.ts";
import { NO_KERNEL_ARGS, type KernelArgs } from "../../layout/kernel-args.ts";
import type { AccountTexts } from "../../layout/merge-accounts.ts";
import { NO_RUN_CONFIG, type ConfigData, type RunConfig } from "../../layout/run-config.ts";
import type { ApplyPorts } from "./apply-config.ts";
import type { ConfigDocument } from "./generation-files.ts";

/** What happened, and what is there. */
export interface FakeNode extends ApplyPorts {
  readonly done: string[];
  readonly state: { running: RunConfig; half: GenerationNumber | undefined; now: number; kernelArgs: KernelArgs | undefined };
}
export interface FakeNodeOptions {
  readonly view: ImageView;
  readonly store: GenerationStore;
  readonly lay: (data: ConfigData) => readonly string[];
  readonly ofImage?: ApplyPorts["ofImage"];
  readonly accounts?: AccountTexts;
}

/** A document whose text is what the config is about, as JSON; a key `bad` is a problem. */
export const configDocument = (about: Partial<NodeConfig> & { readonly bad?: string }, origin = "node.yaml"): ConfigDocument => ({
  origin,
  text: JSON.stringify(about),
});

export function fakeNode({ view, store, lay, ofImage, accounts }: FakeNodeOptions): FakeNode {
  const done: string[] = [];
  const state: FakeNode["state"] = { running: NO_RUN_CONFIG, half: undefined, now: 1_800_000_000, kernelArgs: NO_KERNEL_ARGS };
  let count = 0;
  return {
    ...{ done, state, view, store, target: "a", isBooting: false },
    ...{ now: () => state.now, random: (bytes) => new Uint8Array(bytes).fill(++count) },
    running: async () => await Promise.resolve(state.running),
    nowRuns: async (config) => await Promise.resolve(void (state.running = config)),
    kernelArgs: async () =>
      await Promise.resolve(state.kernelArgs ? { slot: state.kernelArgs } : { none: "its loader is older" }),
    runFileStages: async () => await Promise.resolve(void done.push("stages of files")).then(() => []),
    half: async () => await Promise.resolve(state.half),
    nowLaying: async (generation) => await Promise.resolve(void (state.half = generation)),
    judge: (documents, how) => {
      const abouts = documents.map(({ text }) => JSON.parse(text) as Partial<NodeConfig> & { readonly bad?: string });
      const problems = abouts.flatMap(({ bad }) => bad ?? []);
      if (how === "strict" && problems.length > 0) throw new AppError("MACHINE_CONFIG_INVALID", problems.join("\n"));
      const { bad: _bad, ...about } = Object.assign({}, ...abouts) as Partial<NodeConfig> & { readonly bad?: string };
      return { config: fakeConfig(about), problems, keys: Object.keys(about) };
    },
    network: () => ({ files: [] }),
    ofImage: ofImage ?? ((): readonly TreeEntry[] => []),
    imageAccounts: async () =>
      await Promise.resolve(accounts ?? { passwd: view.read("/etc/passwd")!, group: view.read("/etc/group")! }),
    sha1: (bytes) => createHash("sha1").update(bytes).digest(),
    sha256: (bytes) => createHash("sha256").update(bytes).digest(),
    run: async (argv) => {
      done.push(argv.join(" "));
      return await Promise.resolve({ exitCode: 0, stdout: "", stderr: "" });
    },
    lay: async (data) => {
      done.push(`lay ${data.entries.map(({ path, what }) => (what.is === "gone" ? `-${path}` : path)).join(" ")}`);
      return await Promise.resolve(lay(data));
    },
    removeEmptyFolder: async (path) => await Promise.resolve(void done.push(`rmdir ${path}`)),
    setHostname: async (name) => await Promise.resolve(void done.push(`hostname ${name}`)),
  };
}
