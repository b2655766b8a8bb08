import assert from "node:assert/strict";
import { test } from "node:test";
import { rolesOf } from "./program-roles.ts";

for (const [role, names] of [
  ["shell", "sh bash rbash dash busybox busybox.static bash-static zsh toybox"],
  ["interpreter", "perl perl5.40.1 python3 python3.13 mawk lua5.4 node ruby3.3 tclsh8.6 php8.4"],
  ["packageManager", "apt apt-get dpkg dpkg-deb rpm dnf dnf-3 dnf5 apk pacman zypper pip3 pip3.13 npm"],
  ["compiler", "gcc gcc-14 x86_64-linux-gnu-gcc-14 c++ clang++-19 ld.bfd x86_64-linux-gnu-ld cc1plus make go"],
  ["debugger", "gdb strace x86_64-linux-gnu-gdb bpftool"],
  ["sshServer", "sshd sshd-session dropbear sftp-server"],
  ["sshClient", "ssh scp sftp"],
  ["login", "login agetty getty sulogin telnetd in.telnetd"],
  ["privilege", "su sudo pkexec doas run0 newgrp"],
  ["transfer", "curl wget nc nc.openbsd socat"],
] as const) {
  for (const name of names.split(" ")) {
    test(`${name} is a program of the role ${role}`, () => assert.deepEqual(rolesOf(`/usr/bin/${name}`, "elf"), [role]));
  }
}

for (const name of [
  "ls",
  "cat",
  "env",
  "ldconfig",
  "systemctl",
  "nologin",
  "ld-linux-x86-64.so.2",
  "sha256sum",
  "shred",
  "asx",
  "bcache",
]) {
  test(`${name} has no role`, () => assert.deepEqual(rolesOf(`/usr/sbin/${name}`, "elf"), []));
}

test("a script counts by its name only where programs lie", () => {
  assert.deepEqual(rolesOf("/etc/init.d/ssh", "script"), []);
  assert.deepEqual(rolesOf("/usr/share/initramfs-tools/hooks/busybox", "script"), []);
  assert.deepEqual(rolesOf("/usr/libexec/dpkg/dpkg-db-backup", "script"), ["packageManager"]);
  assert.deepEqual(rolesOf("/opt/hidden/bash", "elf"), ["shell"]);
});
