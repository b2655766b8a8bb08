import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** What an operation could leave on a machine besides files. */
export interface Machine {
  readonly mounts: string;
  readonly loops: readonly string[];
}

export async function machine(): Promise<Machine> {
  const mounts = await readFile("/proc/self/mounts", "utf8");
  const loops: string[] = [];
  for (const name of (await readdir("/sys/block")).filter((n) => n.startsWith("loop"))) {
    const file = await readFile(`/sys/block/${name}/loop/backing_file`, "utf8").catch(() => "");
    if (file) loops.push(`${name} ${file}`);
  }
  return { mounts, loops };
}

/** What a failed build may not leave: outputs, parts of outputs, a lock, work folders of its own, mounts, loop devices. */
export async function assertNothingLeft(folder: string, cache: string, before: Machine): Promise<void> {
  // Not the caches: a tools tree has links to folders of the machine.
  const top = (await readdir(folder)).filter((name) => !["cache", "small"].includes(name));
  const below = await Promise.all(
    top.map(async (name) => [name, ...(await readdir(join(folder, name), { recursive: true }).catch(() => []))]),
  );
  const left = below.flat().filter((path) => /\.(img|raw|qcow2|vmdk|vhdx|oci|sha256|partial|lock|new)$|manifest/.test(path));
  assert.deepEqual(left, [], "outputs or parts of them");
  const work = (
    await Promise.all(["work", "tools/work"].map(async (name) => await readdir(join(cache, name)).catch(() => [])))
  ).flat();
  // Folders of processes that still run belong to others, as do those with names of another kind.
  const stale = await Promise.all(
    work
      .filter((name) => /^\d+-/.test(name))
      .map(async (name) => [name, await readFile(`/proc/${name.split("-")[0]}/comm`).catch(() => undefined)] as const),
  );
  assert.deepEqual(
    stale.filter(([, comm]) => comm === undefined).map(([name]) => name),
    [],
    "work folders",
  );
  assert.deepEqual(await machine(), before, "mounts and loop devices");
}
