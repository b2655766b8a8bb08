/** Ways into a machine, by where somebody is who tries them. On an open machine each of them is one. docs/concepts/sealed.md */
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { EPHEMERAL_FOLDER, PERSISTENT_FOLDER, persistentOverlay } from "../../../src/layout/fstab.ts";
import { firstKernelArgs } from "../../../src/layout/kernel-args.ts";
import type { Patch } from "../../../src/layout/patch.ts";
import type { Vm } from "../../../src/vm/vm.ts";
import { tinyProgram } from "../../support/tiny-program.ts";
import type { Fixture } from "./fixture.ts";
import { breakConsole, press } from "./keys.ts";
import type { Machine } from "./machine.ts";
import { onPartition, type LaidFile } from "./on-partition.ts";
import type { Places } from "./places.ts";

/** Of what is asked of an emulated machine that is busy. */
const LIMIT_MS = 300_000;

export interface Attempt {
  readonly name: string;
  /** @returns `in` where it is a way in, also with a colon and more behind it; else what was in its way */
  readonly try: (machine: Machine) => Promise<string>;
}

/** By a script for the agent of a fixture with `node`: somebody who is root in a service that nothing confines, or looks at what has become of something else. */
const byScript = (name: string, script: string): Attempt => ({
  name,
  try: async ({ guest }) => (await guest.run(script, LIMIT_MS)).output,
});
const isStarted = (...argv: readonly string[]): string =>
  `const { status, output } = run(${argv.map((word) => JSON.stringify(word)).join(", ")}); return status === 0 ? "in" : output`;
const exists = (path: string): string => `return fs.existsSync(${JSON.stringify(path)}) ? "in" : "not there"`;
/** Of a program that does not end by itself. */
const isExecuted = (path: string): string =>
  `const { error } = child.spawnSync(${JSON.stringify(path)}, { timeout: 1000, killSignal: "SIGKILL" });
    return error === undefined || error.code === "ETIMEDOUT" ? "in" : error.code`;
/** Says `in` as soon as a condition holds, and gives up after a while. */
export const until = (condition: string): string =>
  `for (let n = 0; n < 60; n++) { if (${condition}) return "in"; await wait(500); } return "not within 30 s"`;

/** Whether the kernel answers a question for its keys. */
async function kernelListens(vm: Vm, ask: () => Promise<void>): Promise<string> {
  const before = vm.consoleText().length;
  await ask();
  for (const end = performance.now() + 15_000; performance.now() < end; await wait(200))
    if (vm.consoleText().slice(before).includes("sysrq: HELP")) return "in";
  return "the kernel says nothing for 15 s";
}

/** Of somebody with a keyboard, a screen and the serial port, once the machine runs. */
export const FROM_CONSOLE: readonly Attempt[] = [
  {
    name: "a login on the serial console",
    try: async ({ vm }) => (/ login:/.test(vm.consoleText()) ? "in" : "nobody asks for one"),
  },
  byScript("a login on the screen", isStarted("systemctl", "is-active", "getty@tty1.service")),
  {
    name: "a login on another screen, by the keys that switch to it",
    try: async ({ vm, guest }) => {
      await press(vm, "ctrl", "alt", "f3");
      return (await guest.run(until(`run("systemctl", "is-active", "getty@tty3.service").status === 0`), LIMIT_MS)).output;
    },
  },
  {
    name: "the kernel's own keys (SysRq), on the keyboard",
    try: async ({ vm }) => await kernelListens(vm, async () => await press(vm, "alt", "sysrq", "h")),
  },
  {
    name: "the kernel's own keys (SysRq), by a break on the serial line",
    try: async ({ vm }) =>
      await kernelListens(vm, async () => {
        await breakConsole(vm);
        vm.sendConsole("h");
      }),
  },
];

/** What whoever has the firmware or the hypervisor tells the machine: words for QEMU. Source: systemd.system-credentials(7) */
export const FIRMWARE = [
  "-smbios",
  "type=11,value=io.systemd.credential:tmpfiles.extra=f /run/told-file",
  ...["-fw_cfg", "name=opt/io.systemd.credentials/sysctl.extra,string=kernel.domainname=told"],
] as const;
export const FROM_FIRMWARE: readonly Attempt[] = [
  byScript("a file by a credential in the tables of the firmware (SMBIOS)", exists("/run/told-file")),
  byScript(
    "a setting of the kernel by a credential of the hypervisor (fw_cfg)",
    `const name = fs.readFileSync("/proc/sys/kernel/domainname", "utf8").trim(); return name === "told" ? "in" : name`,
  ),
];

const LOCAL_LIB: readonly LaidFile[] = [
  {
    path: "/lib/systemd/system/laid.service",
    content: "[Service]\nType=oneshot\nExecStart=/usr/bin/touch /run/laid-unit\n",
  },
  { path: "/lib/tmpfiles.d/laid.conf", content: "f /run/laid-tmpfiles\n" },
  { path: "/lib/udev/rules.d/99-laid.rules", content: 'KERNEL=="null", RUN+="/usr/bin/touch /run/laid-rule"\n' },
  { path: "/lib/systemd/system-generators/laid", content: '#!/bin/sh\n: >"$1/laid-generated.service"\n', mode: 0o755 },
];
const inUpper = (path: string): string => persistentOverlay(path).upper.slice(PERSISTENT_FOLDER.length);
/** On the persistent partition, whose root is /usr/local. */
const PERSISTENT: readonly LaidFile[] = [
  ...LOCAL_LIB,
  ...["/bin", ...["/opt", "/home", "/root", "/var/lib/test"].map(inUpper)].map((folder) => ({
    ...{ path: `${folder}/laid`, content: tinyProgram(), mode: 0o755 },
  })),
];
/** Of a word that everybody may know. */
const PASSWORD = "$6$abcdefgh$7H/1LT4f9/N3wpgNunhsIqtMj62OKiS3nyNwuizouQc3u7MbYCarYeAHWYPYb2FT.lbioDm2RrkJPb9BZMN1O/";
const CONFIG = `#cloud-config
bootcmd: ["touch /run/laid-command"]
write_files:
  - { path: /etc/systemd/system/laid-config.service, content: "[Service]\\nExecStart=/usr/bin/touch /run/laid-config\\nType=oneshot\\n" }
users: [{ name: mallory, shell: /bin/bash, lock_passwd: false, passwd: "${PASSWORD}" }]
`;
/** Of somebody who has the disk while the machine is off. */
export const laidOnDisk = async (made: Fixture): Promise<readonly Patch[]> => [
  ...(await onPartition(made, "persistent", PERSISTENT)),
  ...(await onPartition(made, "oem", [{ path: "/machine.yaml", content: CONFIG }])),
];
/** Whoever looks below /usr/local may do so for the first time now: it was not mounted when the machine started them. */
export const LOOK_AGAIN = `run("systemctl", "daemon-reload");
  run("systemctl", "start", "laid.service", "left.service");
  run("udevadm", "control", "--reload");
  run("udevadm", "trigger", "--settle", "/dev/null")`;
/** After {@link LOOK_AGAIN}. */
export const FROM_DISK: readonly Attempt[] = [
  byScript("a unit below /usr/local", exists("/run/laid-unit")),
  byScript("a line for tmpfiles below /usr/local", exists("/run/laid-tmpfiles")),
  byScript("a rule for udev below /usr/local", exists("/run/laid-rule")),
  byScript("a generator of units below /usr/local", exists("/run/systemd/generator/laid-generated.service")),
  byScript(
    "a program below /usr/local that is found by its name",
    isStarted("systemd-run", "--quiet", "--service-type=exec", "laid"),
  ),
  ...["/usr/local/bin", "/opt", "/home", "/root", "/var/lib/test"].map((folder) =>
    byScript(`a program in ${folder}`, isExecuted(`${folder}/laid`)),
  ),
  byScript("a command of a machine config on the oem partition", exists("/run/laid-command")),
  byScript("a unit that a machine config on the oem partition writes", exists("/etc/systemd/system/laid-config.service")),
  byScript(
    "a password of a machine config on the oem partition",
    `return fs.readFileSync("/etc/shadow", "utf8").includes("mallory:$6$") ? "in" : "no password"`,
  ),
];

/**
 * A word for the command line, where the boot loader reads more of them: the init starts that one unit, a root shell without a password. (The generator of
 * `systemd.debug_shell` is off in every image.)
 */
const DEBUG_SHELL = "systemd.unit=debug-shell.service";
export const wordOnDisk = (places: Places): readonly Patch[] => {
  const slots = { append: [DEBUG_SHELL], remove: [] };
  const { start } = places.partition("record");
  return firstKernelArgs({ slots: { a: slots, b: slots } }).map(({ offset, data }) => ({ offset: start + offset, data }));
};

/** A program of the image's, put where somebody can write, and started there. */
const dropped = (folder: string): Attempt =>
  byScript(
    `a program that is put into ${folder}`,
    `fs.mkdirSync("${folder}", { recursive: true });
    fs.copyFileSync("/usr/bin/true", "${folder}/dropped");
    fs.chmodSync("${folder}/dropped", 0o755);
    ${isStarted(`${folder}/dropped`)}`,
  );
const WRITABLE = [
  ...["/tmp", "/var/tmp", "/run", "/dev/shm", "/etc", "/usr/local", "/opt", "/home", "/root", "/srv", "/var/lib/test"],
  EPHEMERAL_FOLDER,
];
/**
 * A service that may dump as much as it likes has something in its memory, which its source does not have, and crashes. Then every partition is read
 * but those of the images, which are mounted read-only.
 */
const CRASH = `
  const source = 'const secret = process.getBuiltinModule("crypto").hash("sha512", "of a service", "buffer"); process.abort(secret)';
  const mayDump = ["--property=LimitCORE=infinity", "--property=WorkingDirectory=/srv"];
  const { output } = run("systemd-run", "--wait", ...mayDump, process.execPath, "--eval", source);
  if (!output.includes("ABRT")) throw new Error("it has not crashed: " + output);
  run("sync");
  const secret = process.getBuiltinModule("crypto").hash("sha512", "of a service", "buffer");
  const found = [];
  const read = [];
  for (const device of fs.readdirSync("/sys/class/block")) {
    const name = /^PARTNAME=(.*)$/m.exec(fs.readFileSync("/sys/class/block/" + device + "/uevent", "utf8"))?.[1];
    if (name === undefined || name === "state" || name === "recovery") continue;
    read.push(name);
    const fd = fs.openSync("/dev/" + device, "r");
    const part = Buffer.alloc(8 * 1024 * 1024);
    for (let at = 0, length; (length = fs.readSync(fd, part, 0, part.length, at)) > secret.length; at += length - secret.length)
      if (part.subarray(0, length).includes(secret)) { found.push(name); break; }
    fs.closeSync(fd);
  }
  if (!read.includes("oem") || !read.includes("persistent")) throw new Error("only read: " + read);
  const journal = child.spawnSync("journalctl", ["--all", "--output=export"], { maxBuffer: 2 ** 28 }).stdout;
  if (!journal.includes("ABRT")) throw new Error("the journal does not have the crash");
  if (journal.includes(secret)) found.push("the journal");
  fs.rmSync("/srv/core", { force: true });
  return found.length > 0 ? "in: " + found.join(", ") : "not on " + read.join(", ") + ", and not in the journal"`;
/** Of somebody who is root in a service that nothing confines. */
export const AS_ROOT: readonly Attempt[] = [
  byScript("a shell", isStarted("/bin/sh", "-c", "true")),
  byScript("a shell by another name", isStarted("bash", "-c", "true")),
  byScript("a shell in a unit of its own", isStarted("systemd-run", "--quiet", "--service-type=exec", "sh", "-c", "true")),
  byScript("a scripting language", isStarted("perl", "-e", "1")),
  byScript("a set-user-id program", `return fs.statSync("/usr/bin/passwd").mode & 0o4000 ? "in" : "no bits"`),
  byScript("a login on another console", isStarted("systemctl", "start", "getty@tty2.service")),
  byScript("the debug shell", isStarted("systemctl", "start", "debug-shell.service")),
  byScript("a kernel module after the boot", isStarted("modprobe", "dummy")),
  byScript(
    "another kernel",
    `return fs.readFileSync("/proc/sys/kernel/kexec_load_disabled", "utf8").trim() === "0" ? "in" : "none is loaded"`,
  ),
  byScript(
    "the memory of the agent, to be changed",
    `const pid = run("systemctl", "show", "--value", "--property=MainPID", "petrifyd.service").output.trim();
      try { fs.closeSync(fs.openSync("/proc/" + pid + "/mem", "r+")); return "in"; } catch (error) { return error.code; }`,
  ),
  {
    name: "what a program had in its memory when it crashed (a core dump), on a disk or in the journal",
    try: async ({ guest }) => {
      const { status, output } = await guest.run(CRASH, LIMIT_MS);
      assert.equal(status, 0, output);
      return output;
    },
  },
  byScript(
    "a library in a folder that keeps what is written to it, loaded into a program of the image",
    `const folder = "/usr/lib/x86_64-linux-gnu/";
      fs.copyFileSync(folder + "libm.so.6", "/srv/dropped.so");
      const { stderr } = child.spawnSync("/usr/bin/true", { env: { LD_PRELOAD: "/srv/dropped.so" }, encoding: "utf8" });
      return stderr === "" ? "in" : stderr`,
  ),
  byScript(
    "a device in a folder that keeps what is written to it",
    `run("mknod", "/srv/dropped-device", "c", "1", "3");
      try { fs.closeSync(fs.openSync("/srv/dropped-device", "r")); return "in"; } catch (error) { return error.code; }`,
  ),
  ...WRITABLE.map(dropped),
  byScript(
    "a program that is put wherever a file system can be written to",
    `const found = [];
      for (const line of fs.readFileSync("/proc/self/mounts", "utf8").split("\\n")) {
        const folder = line.split(" ")[1];
        try {
          fs.copyFileSync("/usr/bin/true", folder + "/dropped-anywhere");
          fs.chmodSync(folder + "/dropped-anywhere", 0o755);
          if (run(folder + "/dropped-anywhere").status === 0) found.push(folder);
        } catch {} // most of them cannot
      }
      return found.length > 0 ? "in: " + found.join(" ") : "nowhere"`,
  ),
];

/** From where programs are started, or what decides which are, by whoever looks there. */
const EXECUTED = [
  ...["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib/systemd/system", "/usr/lib/udev/rules.d", "/usr/lib/petrify"],
  ...["/etc/systemd/system", "/etc/systemd/system-generators", "/etc/udev/rules.d", "/etc/tmpfiles.d", "/etc/modprobe.d"],
  ...["/etc/profile.d", "/etc/ld.so.conf.d", "/etc/cron.d", "/etc/init.d", "/etc/binfmt.d", "/etc/sysctl.d", "/etc/pam.d"],
  ...["/etc/dbus-1/system.d", "/etc/network/if-up.d", "/etc/containers/systemd", "/var/spool/cron/crontabs"],
  ...["/run/systemd/system", "/run/udev/rules.d", "/run/tmpfiles.d", "/run/systemd/generator"],
  ...["bin", "sbin", "lib", "libexec", "lib/systemd/system", "lib/udev/rules.d", "lib/tmpfiles.d", "lib/sysctl.d"].map(
    (name) => `/usr/local/${name}`,
  ),
  ...["lib/systemd/system-generators", "etc", "share/dbus-1/system-services"].map((name) => `/usr/local/${name}`),
];
/** What root leaves before a restart. A folder that is read-only now may be written to by somebody who unmounts what lies over it. */
export const LEAVE = `
  for (const folder of fs.readdirSync("/usr/local")) run("umount", "/usr/local/" + folder);
  const left = [];
  const write = (path, text) => {
    try {
      fs.mkdirSync(path.replace(/[^/]*$/, ""), { recursive: true });
      fs.writeFileSync(path, text);
      left.push(path);
    } catch {} // most of the image
  };
  for (const folder of ${JSON.stringify(EXECUTED)}) write(folder + "/dropped-file", "");
  for (const [path, text] of ${JSON.stringify(LOCAL_LIB.map(({ path, content }) => [path.replaceAll("laid", "left"), content]))})
    write("/usr/local" + path, text.replaceAll("laid", "left"));
  return left.length;`;
/** Once the machine has restarted, and after {@link LOOK_AGAIN}. */
export const AFTER_RESTART: readonly Attempt[] = [
  byScript(
    "a file in a folder that something is started from, or that decides what is",
    `const found = ${JSON.stringify(EXECUTED)}.filter((folder) => fs.existsSync(folder + "/dropped-file"));
      return found.length > 0 ? "in: " + found.join(" ") : "none is there"`,
  ),
  byScript("a unit that root left below /usr/local", exists("/run/left-unit")),
  byScript("a line for tmpfiles that root left below /usr/local", exists("/run/left-tmpfiles")),
  byScript("a rule for udev that root left below /usr/local", exists("/run/left-rule")),
];
