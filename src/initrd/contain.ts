/** @portable Makes a container of a folder, and is its first process. What of its bounds is the service manager's is there already. docs/concepts/debug.md */
import { HOST_FOLDER, NOT_EXECUTABLE, NOT_FOUND, NOT_MADE, type ContainerPlan } from "../layout/container-plan.ts";
import { NUMBERS, type Calls } from "./calls.ts";
import { boundCapabilities, PRCTL, setCapabilities } from "./capabilities.ts";
import { sentence } from "./failure.ts";
import { ERRNO, MOUNT_FLAGS, SysError, type Sys } from "./sys.ts";

/** Source: linux/sched.h */
const CLONE = { mounts: 0x20000, processes: 0x20000000 } as const;
/** Source: linux/mount.h */
const MS = { recursive: 16384, private: 1 << 18 } as const;
const ATTRIBUTE = { readOnly: 1n, noSuid: 2n, noDevices: 4n, noExec: 8n } as const;
const MNT_DETACH = 2;
const NO_FOLDER = -100; // AT_FDCWD
const AT_RECURSIVE = 0x8000;
/** Source: asm-generic/ioctls.h */
const TIOCSCTTY = 0x540e;
const FROM_OTHERS = 1;
const TYPE = { mask: 0o170000, folder: 0o040000, file: 0o100000, link: 0o120000 } as const;
const ANY_EXECUTE = 0o111;
const SIGKILL = 9;

const { noSuid, noDevices, noExec, readOnly, bind } = MOUNT_FLAGS;
const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"] as const;
const LINKS = {
  ...{ fd: "/proc/self/fd", stdin: "/proc/self/fd/0", stdout: "/proc/self/fd/1", stderr: "/proc/self/fd/2", ptmx: "pts/ptmx" },
} as const;
/** With them root changes the kernel, whatever capabilities it lacks. Source: proc(5) */
const KERNEL_FILES = ["sys", "sysrq-trigger", "irq", "bus", "fs"] as const;
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The exit code of the program, as shells say it, is in a file when this has ended.
 *
 * @param say a line for whoever has called
 * @returns what this process ends with
 */
export function contain(sys: Sys, calls: Calls, plan: ContainerPlan, say: (line: string) => void): number {
  // Its name leads nowhere once the root is another one.
  const ended = sys.open(plan.ended, "new");
  const tell = (code: number): number => {
    sys.writeTextTo(ended, `${code}\n`);
    return 0;
  };
  try {
    calls.call("mounts of its own", NUMBERS.unshare, CLONE.mounts);
    sys.mount("none", "/", { flags: MS.recursive | MS.private });
    makeRoot(sys, calls, plan);
    if (!plan.has.processes) calls.call("processes of its own", NUMBERS.unshare, CLONE.processes);
    const first = calls.call("start its first process", NUMBERS.fork);
    return first === 0 ? inside(sys, calls, plan, say) : tell(endOf(calls, first));
  } catch (error) {
    say(sentence(error));
    return tell(NOT_MADE);
  }
}

/** Which is process 1 of a container with processes of its own: where it ends, all of them do. */
function inside(sys: Sys, calls: Calls, plan: ContainerPlan, say: (line: string) => void): number {
  try {
    enterRoot(sys, calls, plan);
    const program = calls.call("start its program", NUMBERS.fork);
    if (program > 0) {
      dropRights(calls, plan);
      endWithParent(calls);
      return endOf(calls, program);
    }
    // A session whose leader it is: Ctrl-C and the size of the window are for it and for what it starts.
    calls.call("begin a session", NUMBERS.setsid);
    // The service manager has made it that of the first process already.
    if (plan.terminal !== undefined) sys.ioctl(0, TIOCSCTTY, FROM_OTHERS);
    dropRights(calls, plan);
    endWithParent(calls);
    if (calls.attempt(NUMBERS.chdir, plan.folder) < 0) calls.call("enter the root", NUMBERS.chdir, "/");
  } catch (error) {
    say(sentence(error));
    return NOT_MADE;
  }
  return become(sys, calls, plan, say);
}

function dropRights(calls: Calls, { capabilities }: ContainerPlan): void {
  if (!capabilities) return;
  boundCapabilities(calls, capabilities);
  setCapabilities(calls, capabilities);
  calls.call("gain no more rights", NUMBERS.prctl, PRCTL.noNewPrivileges, 1, 0, 0, 0);
}

/** Also where that is killed. Source: prctl(2), PR_SET_PDEATHSIG */
const endWithParent = ({ call }: Calls): void => void call("end together", NUMBERS.prctl, PRCTL.deathSignal, SIGKILL, 0, 0, 0);

/** @returns only where it could not be started */
function become(
  sys: Sys,
  { exec }: Calls,
  { command: [name, ...values], environment }: ContainerPlan,
  say: (line: string) => void,
): number {
  const path = programOf(sys, name, environment);
  if (path === undefined) {
    say(`${name} is not in the image`);
    return NOT_FOUND;
  }
  try {
    return exec([path, ...values], environment);
  } catch (error) {
    say(sentence(error));
    return error instanceof SysError && error.errno === ERRNO.noEntry ? NOT_FOUND : NOT_EXECUTABLE;
  }
}

/** As execvp(3) has it. */
function programOf(sys: Sys, name: string, environment: readonly string[]): string | undefined {
  if (name.includes("/")) return name;
  const path = environment.find((one) => one.startsWith("PATH="))?.slice("PATH=".length) ?? DEFAULT_PATH;
  return path
    .split(":")
    .flatMap((folder) => (folder.startsWith("/") ? [`${folder}/${name}`] : []))
    .find((one) => isProgram(sys, one));
}

/** Where a link leads is not asked: the kernel says it. */
function isProgram(sys: Sys, path: string): boolean {
  if (!sys.exists(path)) return false;
  const { mode } = sys.status(path);
  return (mode & TYPE.mask) === TYPE.link || ((mode & TYPE.mask) === TYPE.file && (mode & ANY_EXECUTE) !== 0);
}

/** What it has in its root, of the machine and of its own. Nobody but this program works in it yet. */
function makeRoot(sys: Sys, calls: Calls, plan: ContainerPlan): void {
  const { root, has, terminal } = plan;
  const at = (path: string): string => `${root}${path}`;
  sys.mount(root, root, { flags: bind });
  setAttributes(calls, root, 0n, ATTRIBUTE.noExec);
  const isOwn = (path: string): string => {
    folderAt(sys, at(path));
    return at(path);
  };
  isOwn("/proc");
  sys.mount("sysfs", isOwn("/sys"), { type: "sysfs", flags: readOnly | noSuid | noDevices | noExec });
  if (has.devices) sys.mount("/dev", isOwn("/dev"), { flags: bind | MS.recursive });
  else makeDevices(sys, isOwn("/dev"), terminal);
  const names = "/etc/resolv.conf";
  if (has.network && sys.exists(names)) {
    isOwn("/etc");
    sys.mount(names, fileAt(sys, at(names)), { flags: bind });
    setAttributes(calls, at(names), ATTRIBUTE.readOnly);
  }
  if (has.files === "no") return;
  sys.mount("/", isOwn(HOST_FOLDER), { flags: bind | MS.recursive });
  if (has.files === "write") return;
  setAttributes(calls, at(HOST_FOLDER), ATTRIBUTE.readOnly | ATTRIBUTE.noSuid | ATTRIBUTE.noDevices | ATTRIBUTE.noExec);
  // Whoever reaches a socket there can have the machine changed: the service manager's, the bus's. Folders of processes lead to them, too.
  for (const hidden of ["run", "proc"]) {
    const flags = readOnly | noSuid | noDevices | noExec;
    sys.mount("none", `${at(HOST_FOLDER)}/${hidden}`, { type: "tmpfs", flags, data: "size=4k" });
  }
}

/** Those that everybody may have, terminals of its own, and the one that its program has. */
function makeDevices(sys: Sys, folder: string, terminal: string | undefined): void {
  const flags = noSuid | noExec;
  sys.mount("devices", folder, { type: "tmpfs", flags, data: "mode=0755,size=64k" });
  for (const name of DEVICES) sys.mount(`/dev/${name}`, fileAt(sys, `${folder}/${name}`), { flags: bind });
  for (const [name, target] of Object.entries(LINKS)) sys.makeLink(`${folder}/${name}`, target);
  sys.makeFolder(`${folder}/pts`);
  sys.mount("devpts", `${folder}/pts`, { type: "devpts", flags, data: "newinstance,ptmxmode=0666,mode=0620" });
  sys.makeFolder(`${folder}/shm`);
  sys.mount("shm", `${folder}/shm`, { type: "tmpfs", flags: flags | noDevices, data: "mode=1777,size=64m" });
  // Who asks for the name of the terminal finds it by its number in this folder. Source: ttyname(3)
  if (terminal !== undefined) sys.mount(terminal, fileAt(sys, `${folder}/console`), { flags: bind });
}

/** From here on nothing of the machine is there but what was put into the root. Source: pivot_root(2) */
function enterRoot(sys: Sys, calls: Calls, { root, has }: ContainerPlan): void {
  const { call } = calls;
  const proc = `${root}/proc`;
  sys.mount("proc", proc, { type: "proc", flags: noSuid | noDevices | noExec });
  if (!has.settings) {
    for (const path of KERNEL_FILES.map((name) => `${proc}/${name}`).filter((one) => sys.exists(one))) {
      sys.mount(path, path, { flags: bind | MS.recursive });
      setAttributes(calls, path, ATTRIBUTE.readOnly);
    }
  }
  call("enter the root", NUMBERS.chdir, root);
  call("change the root", NUMBERS.pivot_root, ".", ".");
  call("leave the old root", NUMBERS.umount2, ".", MNT_DETACH);
  call("enter the root", NUMBERS.chdir, "/");
}

/** Of a mount and all that is mounted below it. */
function setAttributes({ call }: Calls, path: string, set: bigint, cleared = 0n): void {
  const attributes = new BigUint64Array([set, cleared, 0n, 0n]).buffer;
  call(`change how ${path} is mounted`, NUMBERS.mount_setattr, NO_FOLDER, path, AT_RECURSIVE, attributes, attributes.byteLength);
}

/** An image may have a link there, which leads anywhere. */
function folderAt(sys: Sys, path: string): void {
  if (sys.exists(path) && (sys.status(path).mode & TYPE.mask) !== TYPE.folder) sys.remove(path);
  sys.makeFolder(path);
}
function fileAt(sys: Sys, path: string): string {
  if (sys.exists(path)) sys.removeTree(path);
  sys.close(sys.open(path, "new"));
  return path;
}

/** Until it has ended: what it leaves behind is taken on, and let go. @returns its exit code, or 128 and the number of the signal */
function endOf({ wait }: Calls, child: number): number {
  for (;;) {
    const [pid, status] = wait();
    if (pid < 0) return NOT_MADE;
    if (pid !== child) continue;
    const signal = status & 0x7f;
    return signal === 0 ? (status >> 8) & 0xff : 128 + signal;
  }
}
