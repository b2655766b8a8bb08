import { chmod, mkdir, mkdtempDisposable, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { testTools } from "./tools.ts";

/** A file's content, or where a link leads. */
export type Content = string | Uint8Array | { readonly link: string };
/** By path, without the slash in front; a path that ends in one is an empty folder. */
export type Files = Readonly<Record<string, Content>>;

/** A tree, and an empty folder beside it. */
export interface FixtureTree extends AsyncDisposable {
  readonly path: string;
  readonly work: string;
}

/** A tree of these files, gone when the scope ends. Names that end in `.ko.xz`, `.ko.gz` and `.ko.zst` are compressed. */
export async function fixtureTree(files: Files): Promise<FixtureTree> {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-tree-"));
  const [root, work] = [join(folder.path, "root"), join(folder.path, "work")];
  for (const path of [root, work]) await mkdir(path);
  await chmod(root, 0o755);
  const toXz: string[] = [];
  for (const [path, content] of Object.entries(files)) {
    const at = join(root, path);
    if (path.endsWith("/")) {
      await mkdir(at, { recursive: true });
      continue;
    }
    await mkdir(dirname(at), { recursive: true });
    if (typeof content === "object" && "link" in content) await symlink(content.link, at);
    else if (path.endsWith(".ko.gz")) await writeFile(at, gzipSync(content));
    else if (path.endsWith(".ko.zst")) await writeFile(at, zstdCompressSync(content));
    else if (path.endsWith(".ko.xz")) {
      await writeFile(at.slice(0, -3), content);
      toXz.push(at.slice(0, -3));
    } else await writeFile(at, content);
  }
  if (toXz.length > 0) {
    const tools = await testTools();
    await tools.run(["xz", "--", ...toXz], { binds: [{ source: root, writable: true }] });
  }
  return { path: root, work, [Symbol.asyncDispose]: async () => await folder[Symbol.asyncDispose]() };
}
