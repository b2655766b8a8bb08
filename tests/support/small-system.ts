import type { TarEntry } from "./tree-tar.ts";

const STATUS = `Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.37-2
Installed-Size: 7000
Maintainer: Somebody <somebody@example.org>
Depends: libc6

Package: libc6
Status: install ok installed
Source: glibc
Architecture: amd64
Version: 2.41-12
`;
const BASH = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 1987-2022 Somebody
License: GPL-3+
`;

/** What a small Debian with systemd has of everything that is looked at. */
export const smallSystem: readonly TarEntry[] = [
  { path: "etc/os-release", target: "../usr/lib/os-release" },
  { path: "usr/lib/os-release", data: 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n' },
  { path: "usr/lib/systemd/systemd", data: "an init", mode: 0o755 },
  { path: "sbin", target: "usr/sbin" },
  { path: "usr/sbin/init", target: "../lib/systemd/systemd" },
  { path: "usr/bin/su", data: "su", mode: 0o4755 },
  {
    path: "usr/bin/ping",
    data: "ping",
    mode: 0o755,
    attributes: { "security.capability": Buffer.from("0100000200200000000000000000000000000000", "hex") },
  },
  { path: "usr/bin/bash", data: "the same line again\n".repeat(5000), mode: 0o755 },
  {
    path: "etc/passwd",
    data: [
      "root:x:0:0:root:/root:/bin/bash",
      "daemon:x:1:1::/usr/sbin:/usr/sbin/nologin",
      "ann:x:1000:1000::/home/ann:/bin/bash",
      "bob:x:1001:1001::/home/bob:/bin/bash",
      "eve::1002:1002::/home/eve:/bin/sh",
      "no line",
      "",
    ].join("\n"),
  },
  {
    path: "etc/shadow",
    data: "root:*:1::::::\ndaemon:*:1::::::\nann:!:1::::::\nbob:$y$j9T$abc$def:1::::::\n",
    mode: 0o640,
    gid: 42,
  },
  { path: "home/ann/.ssh/authorized_keys", data: "# a key\nssh-ed25519 AAAA ann\n", mode: 0o600, uid: 1000, gid: 1000 },
  { path: "etc/systemd/system/multi-user.target.wants/app.service", target: "/usr/lib/systemd/system/app.service" },
  { path: "etc/systemd/system/multi-user.target.wants/masked.service", target: "/usr/lib/systemd/system/masked.service" },
  { path: "etc/systemd/system/masked.service", target: "/dev/null" },
  { path: "usr/lib/systemd/system/multi-user.target.wants/petrifyd.service", target: "../petrifyd.service" },
  { path: "usr/lib/systemd/system/sysinit.target.wants/static.service", target: "../static.service" },
  { path: "var/lib/dpkg/status", data: STATUS },
  { path: "usr/share/doc/bash/copyright", data: BASH },
  { path: "etc/app.conf", data: "one=1\n" },
];
