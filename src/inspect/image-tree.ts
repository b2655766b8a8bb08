/** The files of an image as paths, without mounting it. */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { erofsTree, type TreeNode } from "../layout/erofs-tree.ts";
import { openErofs } from "../layout/erofs.ts";
import type { ReadAt } from "../layout/gpt.ts";

export interface ImageTree {
  /** Everything, sorted by path with the top first. */
  readonly nodes: ReadonlyMap<string, TreeNode>;
  /** What a path leads to as the system itself would see it: links are followed. */
  find(path: string): TreeNode | undefined;
  /** Names in a folder, sorted; none where there is no such folder. */
  names(path: string): readonly string[];
  attributes(node: TreeNode): ReadonlyMap<string, Uint8Array>;
  /** Runs of a file's bytes, each good until the next one is asked for. @param most bytes of a run; default: 1 MiB */
  contents(node: TreeNode, most?: Bytes): AsyncGenerator<Uint8Array>;
}
export interface TreeSource {
  /** Reads the root file system. */
  readonly read: ReadAt;
  /** Reads a file whose contents are compressed: a path without links. Called when there is one. */
  readonly compressed: (path: string) => AsyncGenerator<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
}

const RUN: Bytes = 1024 ** 2;
/** As the kernel, MAXSYMLINKS. */
const MAX_LINKS = 40;

/** @throws AppError `EROFS_INVALID`, `EROFS_UNSUPPORTED` */
export function openImageTree({ read, compressed, signal }: TreeSource): ImageTree {
  const fs = openErofs(read);
  const { nodes, names } = erofsTree(fs);
  const find: ImageTree["find"] = (path) => {
    const rest = path.split("/").filter(Boolean);
    let done: string[] = [];
    for (let links = 0; rest.length > 0;) {
      const part = rest.shift()!;
      if (part === ".") continue;
      if (part === "..") {
        done = done.slice(0, -1);
        continue;
      }
      const node = nodes.get(`/${[...done, part].join("/")}`);
      if (node?.target === undefined) {
        done.push(part);
        continue;
      }
      if (++links > MAX_LINKS) return undefined;
      if (node.target.startsWith("/")) done = [];
      rest.unshift(...node.target.split("/").filter(Boolean));
    }
    return nodes.get(`/${done.join("/")}`);
  };
  return {
    nodes,
    find,
    names: (path) => names.get(find(path)?.path ?? "") ?? [],
    attributes: (node) => fs.attributes(node.nid),
    contents: async function* (node, most = RUN) {
      const extents = fs.extents(node.nid);
      if (!extents) return yield* compressed(node.path);
      for (const { start, size } of extents) {
        for (let done = 0; done < size; done += most) {
          const length = Math.min(most, size - done);
          const bytes = start === undefined ? new Uint8Array(length) : read(start + done, length);
          if (bytes.length !== length)
            throw new AppError("EROFS_INVALID", `${node.path} reaches beyond the end of the file system`);
          yield bytes;
          // Reads are synchronous: signals get their turn here.
          await new Promise((resolve) => setImmediate(resolve));
          signal?.throwIfAborted();
        }
      }
    },
  };
}

/**
 * A file's contents.
 *
 * @param limit a larger one is refused
 * @returns nothing when there is no such file
 * @throws AppError `FILE_TOO_LARGE`
 */
export async function bytesOf(tree: ImageTree, path: string, limit: Bytes = 64 * RUN): Promise<Uint8Array | undefined> {
  const node = tree.find(path);
  if (node?.kind !== "file") return undefined;
  if (node.size > limit) throw new AppError("FILE_TOO_LARGE", `${path} of the image has ${node.size} bytes, which is too much`);
  const bytes = new Uint8Array(node.size);
  let done = 0;
  for await (const run of tree.contents(node)) {
    bytes.set(run.subarray(0, bytes.length - done), done);
    done += run.length;
  }
  return bytes;
}

/** The same as text; what is no UTF-8 is replaced. */
export async function textOf(tree: ImageTree, path: string, limit?: Bytes): Promise<string | undefined> {
  const bytes = await bytesOf(tree, path, limit);
  return bytes && new TextDecoder().decode(bytes);
}

/** The first bytes of a file, all of one that has no more. */
export async function headOf(tree: ImageTree, node: TreeNode, length: Bytes): Promise<Uint8Array> {
  const runs: Uint8Array[] = [];
  let missing = length;
  for await (const run of tree.contents(node, length)) {
    runs.push(run.slice(0, missing));
    missing -= runs.at(-1)!.length;
    if (missing === 0) break;
  }
  return Buffer.concat(runs);
}

/** SHA-256 of a file's contents, hex. */
export async function digestOf(tree: ImageTree, node: TreeNode): Promise<string> {
  const state = createHash("sha256");
  for await (const run of tree.contents(node)) state.update(run);
  return state.digest("hex");
}
