/** @portable What has programs started besides units: rules, tables, and folders whose files somebody runs. */
import { HOOK_FOLDERS, RC_FOLDERS, unreplacedServices } from "../hook-folders.ts";
import { namesAt, resolveInTree, textAt, type ImageTree } from "../image-tree.ts";
import { filesByName } from "../layered-folders.ts";
import { CRON_PROGRAMS, CRON_TABLES, START_PLACES } from "../start-places.ts";
import { cronStarts, type Start } from "../starts.ts";
import type { UnitSet } from "../unit-set.ts";
import type { Finding } from "./finding.ts";

const PRELOAD = "/etc/ld.so.preload";
const SYSV_GENERATOR = "systemd-sysv-generator";

/** Each program once for each file that starts it. Those of folders are named by what runs them. */
export function hookFindings(tree: ImageTree, units: UnitSet): readonly Finding[] {
  const found = [
    ...starts(tree).map(startFinding),
    ...hooks(tree),
    ...services(tree, units),
    ...libraries(tree),
    ...logins(tree),
  ];
  return [...new Map(found.map((finding) => [finding.name, finding])).values()];
}

/** Links and copies of tmpfiles.d start nothing, nor does a program that only says yes or no. */
function starts(tree: ImageTree): readonly Start[] {
  const hasCron = CRON_PROGRAMS.some((path) => isThere(tree, path));
  const tables = hasCron
    ? [...CRON_TABLES, ...filesByName(tree, ["/etc/cron.d", "/var/spool/cron/crontabs", "/var/spool/cron"], "")]
    : [];
  const files = START_PLACES.flatMap((place) =>
    filesByName(tree, place.folders, place.suffix).map((path) => [path, place.starts] as const),
  );
  return [...files, ...tables.map((path) => [path, cronStarts] as const)]
    .flatMap(([path, startsOf]) => startsOf({ path, text: textAt(tree, path) ?? "" }))
    .filter(({ kind, program }) => kind !== "tmpfiles entry" && !/^(?:\/usr)?\/bin\/(?:true|false)$/.test(program));
}

const startFinding = ({ kind, file, program }: Start): Finding => ({ kind: "hook", name: `${file}: ${program}`, detail: kind });

/** Of folders of one kind the one in /etc hides files of the other. */
function hooks(tree: ImageTree): readonly Finding[] {
  return HOOK_FOLDERS.flatMap(([runBy, folders]) => {
    const runner = runBy.find((path) => isThere(tree, path));
    if (runner === undefined) return [];
    const kinds = Object.groupBy(folders.toSorted(), (folder) => folder.replace(/^\/(?:etc|usr\/lib)\//, ""));
    return Object.values(kinds).flatMap((same = []) =>
      filesByName(tree, same, "").flatMap((name) =>
        name.includes("/.") ? [] : [{ kind: "hook" as const, name, detail: `run by ${runner}` }],
      ),
    );
  });
}

/** Scripts of System V for which units are made at boot. */
function services(tree: ImageTree, units: UnitSet): readonly Finding[] {
  const generators = ["/etc/systemd/system-generators", "/usr/lib/systemd/system-generators"];
  if (!filesByName(tree, generators, SYSV_GENERATOR).some((path) => path.endsWith(`/${SYSV_GENERATOR}`))) return [];
  const links = RC_FOLDERS.flatMap((folder) => namesAt(tree, folder));
  return unreplacedServices(links, new Set(units.names)).map((name) => ({
    kind: "hook",
    name,
    detail: `run by ${SYSV_GENERATOR}`,
  }));
}

/** Source: ld.so(8), `/etc/ld.so.preload` */
const libraries = (tree: ImageTree): readonly Finding[] =>
  (textAt(tree, PRELOAD) ?? "")
    .split(/[\s:]+/)
    .filter(Boolean)
    .map((path) => ({ kind: "hook", name: `${PRELOAD}: ${path}`, detail: "loaded into every program" }));

/** Programs that are run when somebody logs in. Source: pam_exec(8), pam_motd(8) */
function logins(tree: ImageTree): readonly Finding[] {
  const files = filesByName(tree, ["/etc/pam.d", "/usr/lib/pam.d"], "");
  const lines = files.flatMap((file) => (textAt(tree, file) ?? "").split("\n").map((line) => ({ file, line })));
  const active = lines.filter(({ line }) => !/^\s*#/.test(line));
  const programs = active.flatMap(({ file, line }) => {
    const [, program] = /\bpam_exec\.so\b.*?\s(\/\S+)/.exec(line) ?? [];
    return program === undefined ? [] : [{ kind: "hook" as const, name: `${file}: ${program}`, detail: "at a login" }];
  });
  const hasMessages = active.some(({ line }) => /\bpam_motd\.so\b/.test(line) && !/\bnoupdate\b/.test(line));
  const messages = hasMessages ? filesByName(tree, ["/etc/update-motd.d"], "") : [];
  return [...programs, ...messages.map((name) => ({ kind: "hook" as const, name, detail: "run by pam_motd at a login" }))];
}

const isThere = (tree: ImageTree, path: string): boolean => resolveInTree(tree, path, "follow")?.node === "file";
