/** A running system in a folder, for tests: an image, layers, and what programs see. Nothing is mounted; the test lays all three out. */
import { chmod, mkdir, mkdtempDisposable, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { IMAGE_ROOT, persistentOverlay } from "../layout/fstab.ts";
import { encodeRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import { run } from "./run.ts";

/** Hides what the image has there. */
export const WHITEOUT = Symbol("whiteout");

/** Path below a folder → a file's text, or what else it is. */
export type Tree = Readonly<Record<string, string | { readonly folder: number } | { readonly link: string } | typeof WHITEOUT>>;

export interface FakeNode extends AsyncDisposable {
  readonly root: string;
  /** Adds to the image's folder, to the upper layer of it, or to what programs see. */
  put(layer: "image" | "upper" | "merged", folder: string, tree: Tree): Promise<void>;
}

/** A tmpfs: whiteouts cannot be made on an overlay, which `/tmp` may be. */
const MEMORY = "/dev/shm";

/** @param mounted which of the persistent folders are; default: all */
export async function fakeNode(persistent: readonly string[], mounted = persistent): Promise<FakeNode> {
  const folder = await mkdtempDisposable(join(MEMORY, "petrify-node-"));
  const root = folder.path;
  const image = { name: "edge", version: "1", created: 0, persistent };
  const facts = { slot: "a", file: "/a.img", rootHash: "", partitions: {}, notes: [], reached: {}, image } as const;
  const mounts = mounted.map((path) => `1 1 0:1 / ${path} rw - overlay overlay rw,upperdir=${persistentOverlay(path).upper}`);
  await put(root, { [RUN_FACTS_PATH]: encodeRunFacts(facts), "/proc/self/mountinfo": `${mounts.join("\n")}\n` });
  for (const path of persistent) {
    for (const place of [path, `${IMAGE_ROOT}${path}`, persistentOverlay(path).upper]) {
      await put(root, { [place]: { folder: 0o755 } });
    }
  }
  return {
    root,
    put: async (layer, path, tree) => {
      const { lower, upper } = persistentOverlay(path);
      await put(join(root, { image: lower, upper, merged: path }[layer]), tree);
    },
    [Symbol.asyncDispose]: async () => await folder.remove(),
  };
}

async function put(at: string, tree: Tree): Promise<void> {
  for (const [name, what] of Object.entries(tree)) {
    const path = join(at, name);
    await mkdir(dirname(path), { recursive: true });
    if (what === WHITEOUT) await run(["mknod", path, "c", "0", "0"]);
    else if (typeof what === "string") await writeFile(path, what);
    else if ("link" in what) await symlink(what.link, path);
    else {
      await mkdir(path, { recursive: true });
      await chmod(path, what.folder);
    }
  }
}
