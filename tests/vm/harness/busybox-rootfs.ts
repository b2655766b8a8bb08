import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BuildContext } from "../../../src/build/context.ts";
import { resolvePackages, wholePackage } from "../../../src/build/packages.ts";

/** OpenRC, what it loads, and one static program for everything else: no udev, no D-Bus, no systemd, no package manager. */
const PACKAGES = /^(?:busybox-static|openrc|libeinfo1|librc1|libc6|libaudit1|libcap-ng0|libpam0g|libselinux1|libpcre2-8-0)$/;
/** Names of programs that busybox is, by folder. */
const APPLETS = {
  sbin: ["init", "reboot", "poweroff", "halt", "getty", "sysctl", "modprobe", "ifconfig"],
  bin: [
    ...[
      "sh",
      "mount",
      "umount",
      "cat",
      "echo",
      "ls",
      "ln",
      "rm",
      "mkdir",
      "mktemp",
      "sleep",
      "kill",
      "grep",
      "sed",
      "cp",
      "mv",
      "touch",
    ],
    ...[
      "chmod",
      "chown",
      "stty",
      "uname",
      "hostname",
      "date",
      "sync",
      "ps",
      "dmesg",
      "df",
      "login",
      "true",
      "false",
      "pidof",
      "dd",
    ],
  ],
  "usr/bin": [
    "base64",
    "tr",
    "md5sum",
    "install",
    "id",
    "test",
    "expr",
    "env",
    "head",
    "tail",
    "wc",
    "cut",
    "sort",
    "stat",
    "find",
  ],
} as const;
const FILES = {
  "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
  "etc/group": "root:x:0:\ntty:x:5:\nutmp:x:43:\nuucp:x:10:\n",
  "etc/insserv.conf": "", // Debian's OpenRC asks for it
  "etc/shadow": "root:*:19000:0:99999:7:::\n",
} as const;

/**
 * A tar of a root file system that is nobody's: `/bin`, `/sbin` and `/lib` are folders, process 1 is busybox, there is no ld cache, no os-release, no
 * gshadow, no kernel. Of packages of Debian 12, the last that did not care whether /usr is merged.
 */
export async function busyboxRootfs(output: string, work: string, context: BuildContext): Promise<void> {
  const root = join(work, "busybox-root");
  await mkdir(root, { recursive: true });
  const inputs = {
    suite: "bookworm",
    allowExpired: true,
    components: ["main"],
    names: ["openrc", "busybox-static"],
    only: PACKAGES,
  };
  const { packages } = await resolvePackages(inputs, undefined, false, join(work, "busybox-packages"), context);
  const options = { binds: [{ source: root, writable: true }], anyOwner: true };
  for (const wanted of packages) {
    const file = await wholePackage(context, wanted);
    await context.tools.run(["dpkg-deb", "--extract", file, root], { ...options, binds: [...options.binds, { source: file }] });
  }
  for (const [folder, names] of Object.entries(APPLETS)) {
    await mkdir(join(root, folder), { recursive: true });
    for (const name of names) await symlink("/bin/busybox", join(root, folder, name));
  }
  for (const [path, text] of Object.entries(FILES)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  await context.tools.run(
    [
      "tar",
      "--create",
      `--file=${output}`,
      `--directory=${root}`,
      "--sort=name",
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      ".",
    ],
    {
      ...options,
      binds: [...options.binds, { source: dirname(output), writable: true }],
    },
  );
}
