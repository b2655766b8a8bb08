/** @portable What programs are good for to somebody who has got into a machine, by their names. */
import { baseName } from "./program-format.ts";

/** In the order in which they are shown. */
export const PROGRAM_ROLES = [
  ...(["shell", "interpreter", "packageManager", "compiler", "debugger"] as const),
  ...(["sshServer", "sshClient", "login", "privilege", "transfer"] as const),
] as const;
export type ProgramRole = (typeof PROGRAM_ROLES)[number];

/** A version behind a name: `perl5.40.1`, `python3.13`, `gcc-14`. */
const VERSION = "-?[0-9.]*";
/** A processor and a system before it, as cross compilers have: `x86_64-linux-gnu-gcc-14`. */
const TRIPLET = "([a-z0-9_]+(-[a-z0-9_]+){1,3}-)?";

const named = (names: string, before = "", after = ""): RegExp =>
  new RegExp(`^${before}(${names.split(" ").join("|")})${after}$`);

/**
 * Names of programs by role. A program under another name is not known for what it is: it is still counted as an executable.
 *
 * busybox and toybox are shells whatever else they are.
 */
const NAMES: Readonly<Record<ProgramRole, RegExp>> = {
  shell: named(
    "sh bash rbash dash ash hush ksh ksh93 rksh93 mksh lksh oksh pdksh zsh rzsh csh tcsh bsd-csh fish yash posh sash nu xonsh elvish pwsh busybox toybox",
    "",
    "(-static|\\.static)?",
  ),
  interpreter: named(
    "perl python pypy ruby irb lua luajit tclsh wish expect guile php node nodejs bun deno qjs gjs awk gawk mawk nawk original-awk bc dc m4 java jshell mono Rscript julia escript erl",
    "",
    VERSION,
  ),
  packageManager: named(
    "apt apt-[a-z-]+ aptitude dpkg dpkg-[a-z-]+ rpm rpm2cpio rpmdb rpmkeys rpmbuild dnf yum microdnf tdnf zypper apk pacman pacman-key opkg xbps-[a-z]+ emerge nix nix-[a-z-]+ guix snap flatpak pip pipx npm npx yarn pnpm corepack gem conda brew",
    "",
    VERSION,
  ),
  compiler: named(
    "gcc g\\+\\+ cc c\\+\\+ c89 c99 cpp clang clang\\+\\+ tcc gfortran gnat as ld ld\\.bfd ld\\.gold ld\\.lld lld nasm yasm cc1 cc1plus collect2 lto1 make gmake cmake ninja go gofmt rustc cargo javac ghc ocamlc qjsc esbuild",
    TRIPLET,
    VERSION,
  ),
  debugger: named(
    "gdb gdbserver lldb lldb-server strace ltrace perf bpftrace bpftool valgrind dlv rr stap trace-cmd crash",
    TRIPLET,
    VERSION,
  ),
  sshServer: named("sshd sshd-session sshd-auth dropbear dropbearmulti tinysshd lshd sftp-server"),
  sshClient: named("ssh slogin scp sftp dbclient sshfs ssh-agent ssh-add ssh-copy-id"),
  login: named(
    "login agetty getty mgetty mingetty fgetty sulogin gdm3? lightdm sddm xdm (in\\.)?telnetd (in\\.)?rlogind (in\\.)?rshd utelnetd shellinaboxd ttyd",
  ),
  privilege: named("su sudo sudoedit sudo-rs su-rs doas pkexec run0 runuser newgrp sg ksu gosu su-exec"),
  transfer: named(
    "curl wget wget2 nc ncat netcat nc\\.openbsd nc\\.traditional socat telnet inetutils-telnet ftp tftp lftp rsync aria2c",
  ),
};

/** Folders whose scripts are programs: elsewhere a script that is called `ssh` is one that starts it. */
const PROGRAM_FOLDERS = /\/(s?bin|libexec|games)(\/|$)/;

/**
 * @param path of the program, or one by which it is called
 * @param format ELF programs are told by name wherever they lie
 */
export function rolesOf(path: string, format: "elf" | "script" | "unknown"): readonly ProgramRole[] {
  if (format !== "elf" && !PROGRAM_FOLDERS.test(path)) return [];
  const name = baseName(path);
  return PROGRAM_ROLES.filter((role) => NAMES[role].test(name));
}
