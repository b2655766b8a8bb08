import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "./run.ts";

/** Where the kernel's own logs of crashes are: its file system, and where systemd-pstore moves them. Source: systemd-pstore.service(8) */
const PSTORE = ["/sys/fs/pstore", "/var/lib/systemd/pstore"] as const;
/** A machine that stops in good order says some 200 more after what matters. */
const LINES = "1000";

/**
 * The end of the journal of a boot, in text. Nothing where the journal does not have it, or there is no journal.
 *
 * @param boot its id; without one, the boot before this one, unless it is among `known`
 */
export async function journalOf(
  run: Run,
  boot: { readonly id?: string; readonly known: readonly string[] },
): Promise<string | undefined> {
  try {
    const id = boot.id?.replaceAll("-", "") ?? (await unknownBefore(run, boot.known));
    if (id === undefined) return undefined;
    const format = ["--output=short-monotonic", "--no-hostname", "--no-pager", "--quiet"] as const;
    const { stdout } = await run(["journalctl", `--boot=${id}`, `--lines=${LINES}`, ...format], { timeoutMs: LIMIT_MS });
    return stdout.trim() === "" ? undefined : stdout;
  } catch {
    return undefined; // an init without a journal, or a boot that it does not know
  }
}
const LIMIT_MS = 60_000;

async function unknownBefore(run: Run, known: readonly string[]): Promise<string | undefined> {
  const { stdout } = await run(["journalctl", "--list-boots", "--output=json", "--no-pager", "--quiet"], { timeoutMs: LIMIT_MS });
  const boots = JSON.parse(stdout) as readonly { readonly boot_id: string; readonly index: number }[];
  const [last] = boots.filter(({ index }) => index < 0).toSorted((a, b) => b.index - a.index);
  const ids = new Set(known.map((id) => id.replaceAll("-", "")));
  return last && !ids.has(last.boot_id) ? last.boot_id : undefined; // an older one is no longer the last boot
}

/** What crashed kernels have left, oldest part last; taken away once read, so that there is room for the next one. */
export async function takePstore(folders: readonly string[] = PSTORE): Promise<string | undefined> {
  const texts: string[] = [];
  for (const folder of folders) {
    const names = await readdir(folder, { recursive: true }).catch(() => [] as string[]);
    for (const name of names.filter((path) => /dmesg/.test(path)).toSorted()) {
      const path = join(folder, name);
      const text = await readFile(path, "latin1").catch(() => undefined);
      if (text === undefined) continue; // a folder
      texts.push(text);
      await rm(path, { force: true }).catch(() => {});
    }
  }
  return texts.length > 0 ? texts.join("\n") : undefined;
}
