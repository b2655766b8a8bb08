/** petrify as it was when a format was new: kept as a file in tests/frozen, and never changed. */
import { mkdir, mkdtemp, rename, rm, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { currentCaller } from "../../../src/host/caller.ts";
import { run } from "../../../src/host/run.ts";
import { CACHE } from "../../support/cli.ts";
import { testTools } from "../../support/tools.ts";
import type { Fixture } from "./fixture.ts";

const TOP = join(import.meta.dirname, "../../..");
/** What is kept of it: enough to build its images and disks as its own VM tests did. */
export const FROZEN_PARTS = [
  "src",
  "tests/vm/harness",
  "tests/support",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
] as const;
export const frozenArchive = (format: number): string => join(TOP, `tests/frozen/format-${format}.tar.gz`);

/**
 * A disk that this older petrify builds, with its own loader, initrd and agent: only Debian's packages and Node are today's.
 *
 * It takes the packages of this tree's node_modules.
 */
export async function frozenFixture(format: number): Promise<Fixture> {
  const tools = await testTools();
  const folder = join(CACHE, "frozen", String(format));
  await mkdir(join(CACHE, "frozen"), { recursive: true });
  if (!(await stat(folder).catch(() => undefined))) {
    const fresh = await mkdtemp(join(CACHE, "frozen", "new-"));
    await run(["tar", "--extract", "--gzip", `--file=${frozenArchive(format)}`, `--directory=${fresh}`]);
    // Another process may have been first.
    await rename(fresh, folder).catch(async () => await rm(fresh, { recursive: true }));
  }
  const packages = join(folder, "node_modules");
  if (!(await stat(packages).catch(() => undefined))) {
    // None so far, or those of a clone that is gone.
    const link = join(folder, `node_modules.${process.pid}`);
    await symlink(join(TOP, "node_modules"), link);
    await rename(link, packages);
  }
  const program = `const { fixture } = await import(process.argv[1]); const { image, slotB, disk } = await fixture(); console.log(JSON.stringify({ image, slotB, disk }));`;
  const argv = [process.execPath, "--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", program] as const;
  const { stdout } = await run([...argv, join(folder, "tests/vm/harness/fixture.ts")], {
    env: inherited(),
    timeoutMs: 1_200_000,
  });
  const made = JSON.parse(stdout.trim().split("\n").at(-1)!) as Pick<Fixture, "image" | "slotB" | "disk">;
  return { host: { tools, caller: currentCaller(), run, folder: join(CACHE, "vm") }, init: "systemd", ...made };
}

/** What decides where caches are. */
function inherited(): Record<string, string> {
  const names = ["HOME", "XDG_CACHE_HOME", "PATH", "PETRIFY_CACHE"] as const;
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}
