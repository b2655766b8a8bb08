/** @portable What somebody at a console of a machine can do. */
import type { ImageTree } from "../image-tree.ts";
import { textAt } from "../image-tree.ts";
import { filesByName } from "../layered-folders.ts";
import { listOf, parseUnitFile, valueOf } from "../unit-file.ts";
import type { UnitSet } from "../unit-set.ts";
import type { Finding } from "./finding.ts";
import { programOf } from "./services.ts";
import type { StartedUnit } from "./started-units.ts";

/** Units that give a shell, or act on the machine, when they are started. Source: systemd.special(7); systemd-debug-generator(8) */
const SPECIAL: Readonly<Record<string, string>> = {
  "debug-shell.service": "a root shell without a password",
  "emergency.service": "a root shell after root's password, when the boot fails",
  "rescue.service": "a root shell after root's password",
};
const KEYS = "ctrl-alt-del.target";
/** A unit of such a name that starts none of these is something else's: what restarts the machine in place of a shell. */
const SHELLS = /(?:^|\/)(?:systemd-sulogin-shell|sulogin|[a-z]*sh|busybox)$/;
/** Of the kernel's command line. Source: systemd(1), kernel-command-line(7) */
const WORDS =
  /^(?:init|systemd\.(?:unit|debug[-_]shell|run|wants|mask|crash_shell|default_debug_tty)|rd\.break|single|rescue|emergency|[sS1])(?:=|$)/;
const GETTY = /^(?:autovt|getty|serial-getty|console-getty|container-getty)(?:@.*)?\.service$/;

/** src/build/rootfs/sealed */
const OWNERS = /^petrify-console@.*\.service$/;

export function consoleFindings(
  tree: ImageTree,
  units: UnitSet,
  started: ReadonlyMap<string, StartedUnit>,
  commandLine: string,
): readonly Finding[] {
  const shells = Object.entries(SPECIAL).flatMap(([name, does]) => {
    const { state, name: real, settings } = units.load(name);
    if (state !== "loaded" || !SHELLS.test(programOf(settings) ?? "")) return [];
    const starter = started.get(real);
    const by = starter?.by === undefined ? "starts" : `started by ${starter.by}`;
    return [finding(name, `${does}; ${starter ? by : "can be started"}`)];
  });
  const keys = units.load(KEYS).state === "loaded" ? [finding(KEYS, "Ctrl-Alt-Del restarts the machine")] : [];
  const logins = [...started.values()].flatMap(({ unit: { name, settings } }) => {
    if (!GETTY.test(name)) return [];
    const isAutomatic = listOf(settings, "Service", "ExecStart").some((line) => /\s(?:--autologin|-a)\b/.test(line));
    return [finding(name, isAutomatic ? "logs somebody in without asking" : "asks for a name and a password")];
  });
  const owners = [...started.keys()].filter((name) => OWNERS.test(name));
  const words = commandLine.split(/\s+/).filter((word) => WORDS.test(word));
  return [
    ...shells,
    ...keys,
    ...logins,
    ...terminals(tree, units, started),
    ...owners.map((name) => finding(name, "asks for the recovery token, which brings the machine another owner")),
    ...words.map((word) => finding(word, "on the kernel's command line")),
  ];
}

const finding = (name: string, detail: string): Finding => ({ kind: "console", name, detail });

/** Logins that logind starts when somebody switches to a terminal. Source: logind.conf(5), `NAutoVTs=` */
function terminals(tree: ImageTree, units: UnitSet, started: ReadonlyMap<string, StartedUnit>): readonly Finding[] {
  if (!started.has("systemd-logind.service") || units.load("autovt@tty2.service").state !== "loaded") return [];
  const files = [
    "/etc/systemd/logind.conf",
    ...filesByName(tree, ["/etc/systemd/logind.conf.d", "/usr/lib/systemd/logind.conf.d"], ".conf"),
  ];
  const settings = files.flatMap((path) => parseUnitFile(textAt(tree, path) ?? ""));
  const count = valueOf(settings, "Login", "NAutoVTs") ?? "6";
  return count === "0"
    ? []
    : [finding("autovt@.service", `asks for a name and a password on ${count} terminals, when somebody switches to one`)];
}
