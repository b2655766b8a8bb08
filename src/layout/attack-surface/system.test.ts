import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeImageFacts } from "../image-facts.ts";
import { fakeTree, type FakeFiles } from "../fake-tree.ts";
import type { FindingKind } from "./finding.ts";
import { systemSurface } from "./system.ts";

const LIB = "/usr/lib/systemd/system";

/** Findings of some kinds, in an image that starts these units. */
function found(
  kinds: readonly FindingKind[],
  units: Readonly<Record<string, string>>,
  files: FakeFiles = {},
  commandLine = "",
): string[] {
  const tree = fakeTree({
    [`${LIB}/default.target`]: `[Unit]\n${Object.keys(units)
      .map((name) => `Wants=${name}\n`)
      .join("")}`,
    ...Object.fromEntries(Object.entries(units).map(([name, text]) => [`${LIB}/${name}`, text])),
    ...files,
  });
  const { findings, notes } = systemSurface(tree, commandLine);
  return [...findings.filter(({ kind }) => kinds.includes(kind)).map(({ name, detail }) => `${name} (${detail})`), ...notes];
}

const ROOT = "[Service]\nExecStart=-@/usr/sbin/agetty agetty x\n";
for (const [what, text, want] of [
  ["root with everything", ROOT, ["a.service (/usr/sbin/agetty)"]],
  ["root by its name", `${ROOT}User=root\n`, ["a.service (/usr/sbin/agetty)"]],
  ["a setting that says no", `${ROOT}PrivateTmp=no\n`, ["a.service (/usr/sbin/agetty)"]],
  ["another user", `${ROOT}User=nobody\n`, []],
  ["a user of its own", `${ROOT}DynamicUser=yes\n`, []],
  ["no capabilities", `${ROOT}CapabilityBoundingSet=\n`, []],
  ["a folder of its own", `${ROOT}PrivateTmp=yes\n`, []],
  ["filtered calls", `${ROOT}SystemCallFilter=@system-service\n`, []],
  ["nothing to start", "[Service]\nType=oneshot\n", []],
] as const) {
  test(`a service with ${what} is ${want.length > 0 ? "" : "not "}an unconfined one`, () => {
    assert.deepEqual(found(["rootService"], { "a.service": text }), want);
  });
}

const SOCKET = (line: string): string => `[Socket]\n${line}\n`;
for (const [line, want] of [
  ["ListenStream=22", "tcp *:22"],
  ["ListenStream=192.0.2.1:22", "tcp 192.0.2.1:22"],
  ["ListenStream=[::1]:22", "tcp [::1]:22"],
  ["ListenStream=vsock:2:22", "vsock 2:22"],
  ["ListenDatagram=514", "udp *:514"],
  ["ListenStream=/run/a.sock", "unix /run/a.sock"],
  ["ListenStream=@abstract", "unix @abstract"],
  ["ListenStream=%t/a.sock", "unix /run/a.sock"],
  ["ListenDatagram=/run/a.sock", "unix /run/a.sock"],
  ["ListenSequentialPacket=/run/a.sock", "unix /run/a.sock"],
  ["ListenFIFO=/run/fifo", "fifo /run/fifo"],
  ["ListenNetlink=route 1361", "netlink route 1361"],
  ["ListenSpecial=/dev/rfkill", "file /dev/rfkill"],
] as const) {
  test(`${line} is listening on ${want}`, () => {
    assert.deepEqual(found(["listensNetwork", "listensLocal"], { "a.socket": SOCKET(line) }), [`${want} (a.socket)`]);
  });
}

const exec = (program: string, more = ""): string => `[Service]\nExecStart=${program}\n${more}`;
for (const [what, unit, files, want] of [
  ["an SSH server without settings", exec("/usr/sbin/sshd -D"), {}, ["tcp *:22 (a.service, as /etc/ssh/sshd_config has it)"]],
  [
    "an SSH server with ports, those of included files with them",
    exec("/usr/sbin/sshd -D"),
    {
      "/etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\nport 2222\nMatch User x\nPort 1\n",
      "/etc/ssh/sshd_config.d/a.conf": "Port=23\n",
      "/etc/ssh/sshd_config.d/a.txt": "Port 24\n",
    },
    ["tcp *:23 (a.service, as /etc/ssh/sshd_config has it)", "tcp *:2222 (a.service, as /etc/ssh/sshd_config has it)"],
  ],
  [
    "an SSH server with addresses",
    exec("/usr/sbin/sshd -D"),
    {
      "/etc/ssh/sshd_config":
        "ListenAddress 192.0.2.1\nListenAddress fd00::1\nListenAddress [fd00::2]:24\n#ListenAddress 192.0.2.9\n",
    },
    ["192.0.2.1:22", "[fd00::1]:22", "[fd00::2]:24"].map((at) => `tcp ${at} (a.service, as /etc/ssh/sshd_config has it)`),
  ],
  [
    "a program that is known",
    exec("!/usr/sbin/chronyd $OPTIONS"),
    {},
    ["udp 127.0.0.1:323", "udp [::1]:323"].map((at) => `${at} (a.service, unless its settings say otherwise)`),
  ],
  ["a program that is not known", exec("/usr/bin/app"), {}, ["what these services listen on is not in their files: a.service"]],
  ["one without a network", exec("/usr/bin/app", "PrivateNetwork=yes\n"), {}, []],
  ["one with local sockets only", exec("/usr/bin/app", "RestrictAddressFamilies=AF_UNIX AF_NETLINK\n"), {}, []],
  [
    "one with other families than some",
    exec("/usr/bin/app", "RestrictAddressFamilies=~AF_PACKET\n"),
    {},
    ["what these services listen on is not in their files: a.service"],
  ],
  ["one that may bind nothing", exec("/usr/bin/app", "SocketBindDeny=any\n"), {}, []],
  ["one that ends at once", exec("/usr/bin/app", "Type=oneshot\n"), {}, []],
  ["petrify's own", exec("/usr/lib/petrify/petrify-api"), {}, []],
] as const) {
  test(`what ${what} listens on`, () => {
    assert.deepEqual(found(["listensNetwork", "listensLocal"], { "a.service": unit }, files as unknown as FakeFiles), want);
  });
}

test("what is bound to the loopback is not what others reach", () => {
  const units = {
    "a.socket": SOCKET("ListenStream=127.0.0.1:80"),
    "b.socket": SOCKET("ListenStream=[::1]:81"),
    "c.service": exec("/usr/sbin/chronyd"),
  };
  assert.deepEqual(found(["listensNetwork"], units), []);
  assert.equal(found(["listensLocal"], units).length, 4);
});

test("a program may be called like what every object has", () => {
  const note = "what these services listen on is not in their files: a.service";
  assert.deepEqual(found(["listensNetwork"], { "a.service": exec("/usr/bin/constructor") }), [note]);
});

test("what a socket hands to a service is not asked of the service", () => {
  const units = { "a.socket": SOCKET("ListenStream=80"), "a.service": exec("/usr/bin/app") };
  const tree = { [`${LIB}/default.target`]: "[Unit]\nWants=a.socket\n" };
  assert.deepEqual(found(["listensNetwork"], units, tree), ["tcp *:80 (a.socket)"]);
});

test("what tmpfiles.d lets everybody write to is named once, with the file", () => {
  const file =
    "d /run/a 1777 root root -\nd /run/b 0755 - - -\n#d /run/c 0777\nf+! /run/d :0666 - - - text\nL /run/e - - - - /x\nd /run/a 0777\nz /dev/x 0666\n";
  const hidden = { "/usr/lib/tmpfiles.d/b.conf": "d /run/f 0777\n", "/etc/tmpfiles.d/b.conf": { link: "/dev/null" } };
  assert.deepEqual(found(["worldWritable"], {}, { "/usr/lib/tmpfiles.d/a.conf": file, ...hidden }), [
    "/run/a (folder, of /usr/lib/tmpfiles.d/a.conf)",
    "/run/d (file, of /usr/lib/tmpfiles.d/a.conf)",
  ]);
});

test("what can be written to and executed: mounts of early boot, of the fstab and of units, those that forbid either left out", () => {
  const facts = encodeImageFacts({ name: "a", version: "1", created: 1, persistent: ["/home", "/var/log", "/srv"] });
  const units = {
    "data.mount": "[Mount]\nWhat=/dev/sdb\nWhere=/data\nType=ext4\n",
    "ro.mount": "[Mount]\nWhat=/dev/sdc\nWhere=/ro\nType=ext4\nOptions=ro,nodev\n",
    "sys.mount": "[Mount]\nWhat=bpf\nWhere=/sys/fs/bpf\nType=bpf\n",
  };
  assert.deepEqual(found(["writableExecutable"], units, { "/usr/lib/petrify/image.json": facts }), [
    "/dev (devtmpfs, nosuid)",
    "/dev/shm (tmpfs, nosuid, nodev)",
    "/run (tmpfs, nosuid, nodev)",
    "/etc (overlay on a tmpfs, nodev)",
    "/var (overlay on a tmpfs, nodev)",
    "/tmp (tmpfs, nosuid, nodev)",
    "/usr/local (ext4, nodev)",
    "/home (persistent, nosuid, nodev)",
    "/srv (persistent)",
    "/data (ext4)",
  ]);
});

test("of a sealed image only what containers keep can be written to and executed", () => {
  const persistent = ["/home", "/srv", "/var/lib/containers", "/var/log"];
  const facts = encodeImageFacts({ name: "a", version: "1", created: 1, persistent, profile: "sealed" });
  assert.deepEqual(found(["writableExecutable"], {}, { "/usr/lib/petrify/image.json": facts }), [
    "/var/lib/containers (persistent, nodev)",
  ]);
});

const GETTY = "[Service]\nExecStart=-/sbin/agetty -o '-p -- \\\\u' - $TERM\n";
for (const [what, units, files, commandLine, want] of [
  ["nothing", {}, {}, "quiet panic=5", []],
  ["a login", { "getty@tty1.service": GETTY }, {}, "", ["getty@tty1.service (asks for a name and a password)"]],
  [
    "a login that asks nothing",
    { "getty@tty1.service": GETTY.replace("-o", "--autologin root -o") },
    {},
    "",
    ["getty@tty1.service (logs somebody in without asking)"],
  ],
  [
    "a serial console of the command line",
    {},
    { [`${LIB}/serial-getty@.service`]: GETTY },
    "console=ttyS0,115200 console=tty0",
    ["serial-getty@ttyS0.service (asks for a name and a password)"],
  ],
  [
    "a debug shell that could be started",
    {},
    { [`${LIB}/debug-shell.service`]: exec("/bin/sh") },
    "",
    ["debug-shell.service (a root shell without a password; can be started)"],
  ],
  [
    "one that is",
    { "debug-shell.service": exec("/bin/sh") },
    {},
    "",
    ["debug-shell.service (a root shell without a password; starts)"],
  ],
  [
    "one that is masked",
    {},
    { [`${LIB}/debug-shell.service`]: exec("/bin/sh"), "/etc/systemd/system/debug-shell.service": { link: "/dev/null" } },
    "",
    [],
  ],
  [
    "a rescue after a failure",
    { "a.target": "[Unit]\nOnFailure=emergency.service\n" },
    { [`${LIB}/emergency.service`]: exec("/bin/sh") },
    "",
    ["emergency.service (a root shell after root's password, when the boot fails; started by a.target)"],
  ],
  [
    "a restart in its place",
    { "a.target": "[Unit]\nOnFailure=emergency.service\n" },
    { [`${LIB}/emergency.service`]: "[Unit]\nSuccessAction=reboot\n[Service]\nType=oneshot\n" },
    "",
    [],
  ],
  [
    "keys",
    {},
    { [`${LIB}/ctrl-alt-del.target`]: { link: "reboot.target" }, [`${LIB}/reboot.target`]: "[Unit]\n" },
    "",
    ["ctrl-alt-del.target (Ctrl-Alt-Del restarts the machine)"],
  ],
  [
    "words",
    {},
    {},
    "init=/bin/sh systemd.unit=rescue.target quiet",
    ["init=/bin/sh (on the kernel's command line)", "systemd.unit=rescue.target (on the kernel's command line)"],
  ],
  [
    "terminals",
    { "systemd-logind.service": exec("/x", "User=x\n") },
    { [`${LIB}/autovt@.service`]: GETTY },
    "",
    ["autovt@.service (asks for a name and a password on 6 terminals, when somebody switches to one)"],
  ],
  [
    "no terminals",
    { "systemd-logind.service": exec("/x", "User=x\n") },
    { [`${LIB}/autovt@.service`]: GETTY, "/etc/systemd/logind.conf.d/a.conf": "[Login]\nNAutoVTs=0\n" },
    "",
    [],
  ],
] as const) {
  test(`at the console: ${what}`, () => {
    const all = found(["console"], units, files, commandLine);
    assert.deepEqual(
      all.filter((line) => !line.startsWith("what these")),
      want,
    );
  });
}

const settings = (text: string): string[] =>
  found(["kernelSetting"], {}, { "/usr/lib/sysctl.d/50-a.conf": text }).map((line) => line.split(":")[0]!);

test("settings of the kernel that an image leaves open are named with their value", () => {
  const open = settings("");
  for (const key of ["kernel.sysrq", "kernel.kexec_load_disabled", "kernel.modules_disabled"])
    assert.ok(open.includes(`${key} (as the kernel has it`));
  assert.ok(!open.some((line) => line.startsWith("fs.suid_dumpable")), "the kernel closes it by itself");
  assert.ok(settings("fs.suid_dumpable = 2").includes("fs.suid_dumpable (2"));
  assert.ok(settings("kernel.sysrq=176").includes("kernel.sysrq (176"));
  assert.ok(!settings("-kernel/sysrq = 0").some((line) => line.startsWith("kernel.sysrq")));
  assert.ok(settings("kernel.core_pattern=|/usr/lib/dump %p").includes("kernel.core_pattern (|/usr/lib/dump %p"));
  assert.ok(!settings("kernel.core_pattern=|/bin/false").some((line) => line.startsWith("kernel.core_pattern")));
});

test("what a service sets later in a boot counts", () => {
  const set = exec("/usr/lib/systemd/systemd-sysctl /usr/lib/late.conf");
  const of = (units: Readonly<Record<string, string>>): boolean =>
    found(["kernelSetting"], units, { "/usr/lib/late.conf": "kernel.modules_disabled = 1" }).some((line) =>
      line.startsWith("kernel.modules_disabled"),
    );
  assert.deepEqual([of({ "a.service": set }), of({})], [false, true]);
});

test("the last file has the last word, and one of the same name in /etc hides the package's", () => {
  const closed = (files: FakeFiles): boolean =>
    !found(["kernelSetting"], {}, files).some((line) => line.startsWith("kernel.sysrq"));
  assert.ok(closed({ "/usr/lib/sysctl.d/10-a.conf": "kernel.sysrq=1", "/usr/lib/sysctl.d/99-z.conf": "kernel.sysrq=0" }));
  assert.ok(!closed({ "/usr/lib/sysctl.d/10-a.conf": "kernel.sysrq=0", "/etc/sysctl.d/99-z.conf": "kernel.sysrq=1" }));
  assert.ok(!closed({ "/usr/lib/sysctl.d/99-z.conf": "kernel.sysrq=0", "/etc/sysctl.d/99-z.conf": "" }));
  assert.ok(!closed({ "/usr/lib/sysctl.d/99-z.conf": "kernel.sysrq=0", "/etc/sysctl.d/99-z.conf": { link: "/dev/null" } }));
});

test("of an image that does not start with systemd the services are named", () => {
  const tree = fakeTree({
    "/etc/runlevels/default/sshd": { link: "/etc/init.d/sshd" },
    "/etc/runlevels/boot/hostname": { link: "/etc/init.d/hostname" },
  });
  const { findings, notes } = systemSurface(tree, "");
  assert.deepEqual(
    findings
      .filter(({ kind }) => kind === "rootService" || kind === "listensNetwork")
      .map(({ name, detail }) => `${name} (${detail})`),
    [
      "tcp *:22 (sshd, as /etc/ssh/sshd_config has it)",
      ...["/etc/init.d/hostname (of the runlevel boot)", "/etc/init.d/sshd (of the runlevel default)"],
    ],
  );
  assert.match(notes.join(), /only names are known/);
});
