import { constants } from "node:fs";
import { access, readFile, statfs } from "node:fs/promises";
import { arch, totalmem, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { formatSize, GiB, type Bytes } from "../core/units.ts";
import { CommandError, type Run } from "./run.ts";
import { inMountNamespace, type Caller } from "./tools.ts";

/** What is looked at to tell whether this host can build and run images. */
export interface HostFacts {
  readonly architecture: string;
  readonly uid: number;
  readonly user: string;
  /** Those of {@link PROGRAMS} that are there. */
  readonly programs: readonly string[];
  /** The user has at least 65536 subordinate user ids and as many group ids. */
  readonly subordinateIds: boolean;
  /** No subordinate id from here on belongs to anybody yet. */
  readonly freeSubordinateId: number;
  /** Why a user and mount namespace could not be made. */
  readonly namespaceError: string | undefined;
  /** On the file system of the cache. */
  readonly freeDisk: Bytes;
  readonly memory: Bytes;
}

/** One thing that is missing, and the way to get it. */
export interface Missing {
  readonly what: string;
  /** Debian's packages that bring it. */
  readonly packages?: readonly string[];
  /** To be run as root. */
  readonly command?: readonly [string, ...string[]];
  /** Nothing that a program should do by itself: what a person can do. */
  readonly advice?: string;
}

const PROGRAMS = ["mmdebstrap", "newuidmap", "apt-get", "sudo", "unshare", "tar"] as const;
const SUBORDINATE_IDS = 65_536;
/** useradd(8) begins here. */
const FIRST_SUBORDINATE_ID = 100_000;
/** A tools tree, packages, a base, an image and a disk. */
const DISK_NEEDED = 6 * GiB;
const MEMORY_NEEDED = 2 * GiB;

/** Pure: what is to be done before the first build, in order. */
export function missingOf(facts: HostFacts): Missing[] {
  const { uid, user, programs } = facts;
  const missing: Missing[] = [];
  const has = (program: (typeof PROGRAMS)[number]): boolean => programs.includes(program);
  if (facts.architecture !== "x64") {
    missing.push({ what: `a 64-bit x86 machine (this one is ${facts.architecture})`, advice: "Use another machine." });
  }
  if (facts.freeDisk < DISK_NEEDED) {
    const what = `${formatSize(DISK_NEEDED)} of disk space for the cache (${formatSize(facts.freeDisk)} are free)`;
    missing.push({ what, advice: "Free some space, or give another place with --cache FOLDER." });
  }
  if (facts.memory < MEMORY_NEEDED) {
    const what = `${formatSize(MEMORY_NEEDED)} of memory (there are ${formatSize(facts.memory)})`;
    missing.push({ what, advice: "Use a machine with more memory." });
  }
  if (!has("mmdebstrap")) missing.push({ what: "mmdebstrap, which unpacks Debian", packages: ["mmdebstrap"] });
  if (!has("unshare")) missing.push({ what: "unshare", packages: ["util-linux"] });
  if (!has("tar")) missing.push({ what: "tar", packages: ["tar"] });
  if (uid !== 0 && !has("newuidmap")) missing.push({ what: "newuidmap, which lets a user own many ids", packages: ["uidmap"] });
  if (uid !== 0 && !facts.subordinateIds) {
    const range = `${facts.freeSubordinateId}-${facts.freeSubordinateId + SUBORDINATE_IDS - 1}`;
    missing.push({
      what: `subordinate user and group ids for ${user}`,
      command: ["usermod", "--add-subuids", range, "--add-subgids", range, user],
    });
  }
  if (missing.length === 0 && facts.namespaceError !== undefined) {
    const advice =
      uid === 0
        ? "In a container, give it CAP_SYS_ADMIN."
        : "Allow them as root: sysctl kernel.unprivileged_userns_clone=1 (Debian), kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu).";
    missing.push({ what: `namespaces (unshare says: ${facts.namespaceError})`, advice });
  }
  return missing;
}

/** The commands, to be run as root, that bring what is missing and can be brought. */
export function remedies(missing: readonly Missing[]): (readonly [string, ...string[]])[] {
  const packages = missing.flatMap((item) => item.packages ?? []);
  return [
    ...(packages.length > 0
      ? ([
          ["apt-get", "update"],
          ["apt-get", "install", "--yes", "--no-install-recommends", ...packages],
        ] as const)
      : []),
    ...missing.flatMap((item) => (item.command ? [item.command] : [])),
  ];
}

/** Looks at the host; changes nothing. */
export async function hostFacts(run: Run, caller: Caller, cacheFolder: string): Promise<HostFacts> {
  const user = userInfo().username;
  const found = await Promise.all(PROGRAMS.map(async (name) => ((await isProgram(name)) ? [name] : [])));
  const namespaceError = await run(inMountNamespace(caller, ["true"])).then(
    () => undefined,
    (error: unknown) => (error instanceof CommandError ? (error.result?.stderr.trim() ?? error.message) : String(error)),
  );
  const ranges = [await subordinateRanges("/etc/subuid"), await subordinateRanges("/etc/subgid")];
  return {
    architecture: arch(),
    uid: caller.uid,
    user,
    programs: found.flat(),
    subordinateIds: ranges.every((list) =>
      list.some(({ owner, count }) => [user, String(caller.uid)].includes(owner) && count >= SUBORDINATE_IDS),
    ),
    freeSubordinateId: Math.max(FIRST_SUBORDINATE_ID, ...ranges.flat().map(({ start, count }) => start + count)),
    namespaceError,
    freeDisk: await freeSpace(cacheFolder),
    memory: totalmem(),
  };
}

async function isProgram(name: string): Promise<boolean> {
  for (const folder of ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]) {
    const found = await access(join(folder, name), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}

/** subuid(5): `NAME-OR-UID:START:COUNT`. */
async function subordinateRanges(path: string): Promise<{ owner: string; start: number; count: number }[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => {
    const [owner, start, count] = line.split(":");
    return owner && start && count ? [{ owner, start: Number(start), count: Number(count) }] : [];
  });
}

/** Of the file system that `path` is on, or will be on. */
async function freeSpace(path: string): Promise<Bytes> {
  const found = await statfs(path).catch(() => undefined);
  if (found) return found.bavail * found.bsize;
  return path === dirname(path) ? 0 : await freeSpace(dirname(path));
}
