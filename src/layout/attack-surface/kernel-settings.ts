/** @portable Settings of the kernel that give an attacker more than is needed. Source: sysctl.d(5); Linux, Documentation/admin-guide/sysctl */
import type { ImageTree } from "../image-tree.ts";
import { textAt } from "../image-tree.ts";
import { filesByName } from "../layered-folders.ts";
import { listOf, wordsOf } from "../unit-file.ts";
import type { Finding } from "./finding.ts";
import type { StartedUnit } from "./started-units.ts";

const FOLDERS = ["/etc/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"] as const;

interface Setting {
  readonly key: string;
  /** Values that close it. */
  readonly closed: RegExp;
  /** Whether the kernel closes it by itself. */
  readonly isClosedByDefault?: true;
  /** What is open otherwise. */
  readonly opens: string;
}

/** Source of the closed values: Kernel Self Protection Project, "Recommended Settings", sysctls; Linux, admin-guide/sysctl/kernel.rst and fs.rst */
const SETTINGS: readonly Setting[] = [
  { key: "kernel.sysrq", closed: /^0$/, opens: "keys at a console act on the kernel" },
  { key: "kernel.kexec_load_disabled", closed: /^1$/, opens: "root can start another kernel" },
  { key: "kernel.modules_disabled", closed: /^1$/, opens: "root can load modules" },
  { key: "kernel.unprivileged_bpf_disabled", closed: /^[12]$/, opens: "everybody can load BPF programs" },
  { key: "kernel.kptr_restrict", closed: /^[12]$/, opens: "addresses of the kernel can be read" },
  { key: "kernel.dmesg_restrict", closed: /^1$/, opens: "everybody can read the kernel's messages" },
  { key: "kernel.perf_event_paranoid", closed: /^[234]$/, isClosedByDefault: true, opens: "everybody can measure the kernel" },
  { key: "kernel.yama.ptrace_scope", closed: /^[123]$/, opens: "programs can take over others of the same user" },
  { key: "fs.suid_dumpable", closed: /^0$/, isClosedByDefault: true, opens: "set-uid programs dump their memory" },
  { key: "fs.protected_hardlinks", closed: /^1$/, opens: "hard links to files of others" },
  { key: "fs.protected_symlinks", closed: /^1$/, opens: "links of others are followed in /tmp" },
  { key: "fs.protected_fifos", closed: /^[12]$/, opens: "pipes of others are opened in /tmp" },
  { key: "fs.protected_regular", closed: /^[12]$/, opens: "files of others are opened in /tmp" },
  { key: "net.core.bpf_jit_harden", closed: /^[12]$/, opens: "compiled BPF programs can carry an attacker's code" },
];
const CORE_PATTERN = "kernel.core_pattern";

/** What the image's files leave open; a kernel may have been built with another default than the one that is meant here. */
export function kernelSettings(tree: ImageTree, started: Iterable<StartedUnit>): readonly Finding[] {
  const values = sysctls(tree, [...filesByName(tree, FOLDERS, ".conf"), ...filesOfServices(started)]);
  const open = SETTINGS.flatMap(({ key, closed, isClosedByDefault, opens }): Finding[] => {
    const value = values.get(key);
    if (value === undefined ? isClosedByDefault : closed.test(value)) return [];
    return [{ kind: "kernelSetting", name: key, detail: `${value ?? "as the kernel has it"}: ${opens}` }];
  });
  const core = values.get(CORE_PATTERN);
  if (core?.startsWith("|") && !/\/(?:false|true)$/.test(core))
    open.push({
      kind: "kernelSetting",
      name: CORE_PATTERN,
      detail: `${core}: the kernel starts a program as root when another one crashes`,
    });
  return open;
}

/** By key, the last of all files. A key may have slashes, and a minus before it, which passes over failures. */
function sysctls(tree: ImageTree, files: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const path of files) {
    for (const line of (textAt(tree, path) ?? "").split("\n")) {
      const [, key, value] = /^\s*-?([^#;=\s][^=\s]*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      if (key !== undefined && value !== undefined) values.set(withDots(key), value);
    }
  }
  return values;
}

/** Those that a service gives to systemd-sysctl later in a boot. Source: systemd-sysctl.service(8) */
const filesOfServices = (started: Iterable<StartedUnit>): readonly string[] =>
  [...started].flatMap(({ unit: { settings } }) =>
    listOf(settings, "Service", "ExecStart").flatMap((line) => {
      const [program = "", ...words] = wordsOf(line);
      return program.endsWith("/systemd-sysctl") ? words.filter((word) => word.startsWith("/")) : [];
    }),
  );

/** If the first separator is a slash, dots are part of the names. Source: sysctl.d(5) */
const withDots = (key: string): string => (/^[^.]*\//.test(key) ? key.replaceAll(/[./]/g, (c) => (c === "/" ? "." : "/")) : key);
