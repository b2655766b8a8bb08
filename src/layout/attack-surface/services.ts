/** @portable Services that run as root with all that root may do. */
import { isOn, listOf, valueOf, wordsOf, type UnitSetting } from "../unit-file.ts";
import type { Finding } from "./finding.ts";
import type { StartedUnit } from "./started-units.ts";

/** What takes something from a service. Source: systemd.exec(5), "Sandboxing", "Capabilities", "Security", "System Call Filtering", "Paths" */
const CONFINING = new RegExp(
  `^(?:${[
    ...["CapabilityBoundingSet", "NoNewPrivileges", "Private[A-Z].*", "Protect[A-Z].*", "Restrict[A-Z].*", "SystemCallFilter"],
    ...["MemoryDenyWriteExecute", "LockPersonality", "ReadOnlyPaths", "InaccessiblePaths", "NoExecPaths", "RootDirectory"],
    ...["RootImage", "TemporaryFileSystem", "AppArmorProfile", "SELinuxContext", "SecureBits"],
  ].join("|")})$`,
);

/** Those that are root and have not even one of the settings that take something from a service. */
export const rootServices = (started: Iterable<StartedUnit>): readonly Finding[] =>
  [...started].flatMap(({ unit: { name, settings }, by }) => {
    if (!name.endsWith(".service") || !isRoot(settings) || isConfined(settings)) return [];
    const program = programOf(settings);
    if (program === undefined) return [];
    return [{ kind: "rootService", name, detail: [program, ...(by === undefined ? [] : [`started by ${by}`])].join(", ") }];
  });

/** The first program that a service starts; nothing where it starts none. Source: systemd.service(5), "COMMAND LINES" */
export function programOf(settings: readonly UnitSetting[]): string | undefined {
  const keys = ["ExecStart", "ExecStartPre", "ExecStop"];
  const [line] = keys.flatMap((key) => listOf(settings, "Service", key));
  return line === undefined ? undefined : wordsOf(line.replace(/^[-@:+!|]+/, ""))[0];
}

function isRoot(settings: readonly UnitSetting[]): boolean {
  const user = valueOf(settings, "Service", "User");
  return !isOn(settings, "Service", "DynamicUser") && (user === undefined || user === "root" || user === "0");
}

/** An empty set of capabilities is one; a setting that says no is none. */
const isConfined = (settings: readonly UnitSetting[]): boolean =>
  settings.some(
    ({ section, key, value }) => section === "Service" && CONFINING.test(key) && !/^(?:0|no|n|false|f|off)$/i.test(value),
  );
