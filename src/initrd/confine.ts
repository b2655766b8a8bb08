/** @portable A program of the API, within its bounds: what systemd's units say of it, as far as it takes no filter of system calls. docs/concepts/api.md */
import { helperProgram } from "../layout/own-programs.ts";
import { RUN_FACTS_PATH } from "../layout/run-facts.ts";
import type { ApiProgram } from "./api-programs.ts";
import { NUMBERS, type Calls } from "./calls.ts";
import { boundCapabilities, PRCTL, setCapabilities } from "./capabilities.ts";
import { MOUNT_FLAGS, type Sys } from "./sys.ts";

/** In the program's own view of the file systems: its devices, credentials, and an empty folder. */
const PRIVATE_FOLDER = "/run/petrify/private";
/** The first of the sockets that are handed over. Source: sd_listen_fds(3) */
const LISTEN_FD = 3;

/** Source: linux/sched.h */
const CLONE = { mounts: 0x20000, network: 0x40000000 } as const;
/** Source: linux/mount.h */
const MS = { recursive: 16384, slave: 1 << 19 } as const;
const NO_FOLDER = -100; // AT_FDCWD
const AT_RECURSIVE = 0x8000;
const ATTRIBUTES = 1n | 2n | 4n; // MOUNT_ATTR_RDONLY, _NOSUID, _NODEV
const AMBIENT_RAISE = 2;
const SIGTERM = 15;
/** Source: asm-generic/resource.h */
const LIMIT_PROCESSES = 6;
/** Node has no need of others. Minor numbers of the kernel's memory devices. Source: Linux, Documentation/admin-guide/devices.txt */
const DEVICES = { null: 3, zero: 5, full: 7, random: 8, urandom: 9, kmsg: 11 } as const;
const MEMORY = 1;
const CHARACTER = 0o020000;

const { readOnly, noSuid, noDevices, noExec, bind } = MOUNT_FLAGS;

/**
 * Takes this process's rights away and becomes the program. Its standard input is the socket that it is to answer on.
 *
 * @param parent ends with it
 * @throws SysError: it is not started with less than all of its bounds
 */
export function confine(sys: Sys, calls: Calls, program: ApiProgram, parent: number): never {
  const { call } = calls;
  sys.readText(RUN_FACTS_PATH); // a machine of petrify's
  call("umask", NUMBERS.umask, 0);
  const credentials = readCredentials(sys, program);
  sys.makeFolder(PRIVATE_FOLDER, 0o755);
  sys.writeText("/proc/self/oom_score_adj", "500\n");
  call("unshare", NUMBERS.unshare, CLONE.mounts | (program.isAlone ? CLONE.network : 0));
  sys.mount("none", "/", { flags: MS.recursive | MS.slave });
  limitView(sys, calls, program);
  call("limit processes", NUMBERS.prlimit64, 0, LIMIT_PROCESSES, words64(BigInt(program.tasks), BigInt(program.tasks)), 0);
  call("nice", NUMBERS.setpriority, 0, 0, program.nice);
  giveCredentials(sys, credentials, program.uid);
  dropRights(calls, program);
  call("umask", NUMBERS.umask, 0o077);
  call("hand over", NUMBERS.dup2, 0, LISTEN_FD);
  call("read nothing", NUMBERS.dup2, sys.open("/dev/null", "read"), 0);
  call("end together", NUMBERS.prctl, PRCTL.deathSignal, SIGTERM, 0, 0, 0);
  if (call("parent", NUMBERS.getppid) !== parent) throw new Error("whoever has started this is gone");
  return calls.exec(
    [helperProgram(program.name)],
    [
      ...["LISTEN_FDS=1", `LISTEN_PID=${call("own number", NUMBERS.getpid)}`, "MALLOC_ARENA_MAX=1", "LANG=C.UTF-8"],
      ...[`CREDENTIALS_DIRECTORY=${PRIVATE_FOLDER}/credentials`, "PATH=/usr/local/bin:/usr/bin:/bin"],
      `LOG_PREFIX=petrify-${program.name}: `,
    ],
  );
}

/** Texts by their names. */
const readCredentials = (sys: Sys, { credentials }: ApiProgram): [name: string, text: string][] =>
  Object.entries(credentials).flatMap(([name, path]) => (sys.exists(path) ? [[name, sys.readText(path)]] : []));

/** Nothing can be changed, no device but a few can be opened, and what is hidden is empty. */
function limitView(sys: Sys, { call }: Calls, { hidden, isBlind }: ApiProgram): void {
  const attributes = words64(ATTRIBUTES, 0n, 0n, 0n);
  call("make all read-only", NUMBERS.mount_setattr, NO_FOLDER, "/", AT_RECURSIVE, attributes, attributes.byteLength);
  sys.mount("private", PRIVATE_FOLDER, { type: "tmpfs", flags: noSuid | noExec, data: "mode=0755,size=1m" });
  for (const [name, minor] of Object.entries(DEVICES)) {
    const own = `${PRIVATE_FOLDER}/${name}`;
    const mode = name === "kmsg" ? 0o644 : 0o666;
    call(`make ${own}`, NUMBERS.mknod, own, CHARACTER | mode, (MEMORY << 8) | minor);
    if (sys.exists(`/dev/${name}`)) sys.mount(own, `/dev/${name}`, { flags: bind });
  }
  const empty = `${PRIVATE_FOLDER}/empty`;
  sys.makeFolder(empty, 0o000);
  for (const folder of hidden) if (sys.exists(folder)) sys.mount(empty, folder, { flags: bind });
  for (const folder of ["/tmp", "/var/tmp", "/dev/shm"])
    if (sys.exists(folder)) {
      sys.mount("tmpfs", folder, { type: "tmpfs", flags: noSuid | noDevices | noExec, data: "mode=1777,size=16m" });
    }
  if (isBlind) sys.mount("proc", "/proc", { type: "proc", flags: readOnly | noSuid | noDevices | noExec, data: "hidepid=2" });
}

/** In memory that is never swapped out, and that nobody else sees. */
function giveCredentials(sys: Sys, credentials: readonly [string, string][], uid: number): void {
  const folder = `${PRIVATE_FOLDER}/credentials`;
  sys.makeFolder(folder);
  sys.mount("credentials", folder, { type: "ramfs", flags: noSuid | noDevices | noExec, data: "mode=0700" });
  for (const [name, text] of credentials) {
    const file = sys.open(`${folder}/${name}`, "new");
    sys.writeTextTo(file, text);
    sys.close(file);
    sys.setOwner(`${folder}/${name}`, { mode: 0o400, uid, gid: uid });
  }
  sys.setOwner(folder, { mode: 0o500, uid, gid: uid });
}

/** Source: capabilities(7) */
function dropRights(calls: Calls, { uid, capabilities }: ApiProgram): void {
  const { call } = calls;
  boundCapabilities(calls, capabilities);
  call("leave all groups", NUMBERS.setgroups, 0, 0);
  call("change the group", NUMBERS.setresgid, uid, uid, uid);
  call("keep capabilities", NUMBERS.prctl, PRCTL.keepCapabilities, 1, 0, 0, 0);
  call("change the user", NUMBERS.setresuid, uid, uid, uid);
  setCapabilities(calls, capabilities);
  for (const one of capabilities) call("pass on a capability", NUMBERS.prctl, PRCTL.ambient, AMBIENT_RAISE, one, 0, 0);
  call("gain no more rights", NUMBERS.prctl, PRCTL.noNewPrivileges, 1, 0, 0, 0);
}

const words64 = (...words: readonly bigint[]): ArrayBuffer => new BigUint64Array(words).buffer;
