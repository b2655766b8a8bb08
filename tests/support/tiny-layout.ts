import { cp, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tools } from "../../src/host/tools.ts";

const PROGRAMS = ["dash", "cat", "mkdir", "chown", "sleep", "ls", "ln"];
const LIBRARIES = ["libc.so.6", "libselinux.so.1", "libpcre2-8.so.0"];

/** A tree of a few MB with a shell and some programs of the tools tree. */
export async function tinyTree({ root }: Tools, folder: string): Promise<void> {
  const at = (path: string): string => join(folder, path);
  for (const path of ["usr/bin", "usr/lib/x86_64-linux-gnu", "usr/lib64", "etc"]) await mkdir(at(path), { recursive: true });
  for (const name of ["bin", "lib", "lib64"]) await symlink(`usr/${name}`, at(name));
  for (const name of PROGRAMS) await cp(join(root, "usr/bin", name), at(`usr/bin/${name}`));
  const libraries = "usr/lib/x86_64-linux-gnu";
  for (const name of LIBRARIES) await cp(join(root, libraries, name), at(`${libraries}/${name}`), { dereference: true });
  const loader = "ld-linux-x86-64.so.2";
  await cp(join(root, libraries, loader), at(`usr/lib64/${loader}`), { dereference: true });
  await symlink("dash", at("usr/bin/sh"));
  await writeFile(at("etc/os-release"), "ID=tiny\n");
}

/** An OCI image layout of {@link tinyTree} with the tag `tiny`, made by umoci. @returns its path */
export async function tinyLayout(tools: Tools, folder: string): Promise<string> {
  const layout = join(folder, "tiny");
  const bundle = join(folder, "bundle");
  const umoci = async (...args: readonly string[]): Promise<unknown> =>
    await tools.run(["umoci", ...args], { binds: [{ source: folder, writable: true }], anyOwner: true });
  await umoci("init", "--layout", layout);
  await umoci("new", "--image", `${layout}:tiny`);
  await umoci("unpack", "--image", `${layout}:tiny`, bundle);
  await tinyTree(tools, join(bundle, "rootfs"));
  await umoci("repack", "--image", `${layout}:tiny`, bundle);
  await tools.run(["rm", "--recursive", bundle], { binds: [{ source: folder, writable: true }], anyOwner: true });
  if (!(await readdir(layout)).includes("index.json")) throw new Error("umoci has made no layout");
  return layout;
}
