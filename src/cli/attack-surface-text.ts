/** An attack surface as people read it. */
import { InvalidArgumentError } from "commander";
import type { AttackSurface } from "../inspect/attack-surface.ts";
import type { SurfaceDiff } from "../layout/attack-surface/compare.ts";
import { FINDING_KINDS, type Finding, type FindingKind } from "../layout/attack-surface/finding.ts";
import { shown } from "./diff-text.ts";
import { wrapped } from "./wrapped.ts";

/** At most 80 columns, except for names that are longer. */
const WIDTH = 80;
/** Names of a kind are given on so many lines. */
const LINES = 3;

const TITLES: Readonly<Record<FindingKind, string>> = {
  executable: "executables",
  shell: "shells",
  interpreter: "interpreters",
  packageManager: "package managers",
  compiler: "compilers",
  debugger: "debuggers",
  sshServer: "SSH servers",
  sshClient: "SSH clients",
  login: "logins",
  privilege: "change the user",
  transfer: "fetch and send",
  setuid: "set-uid",
  setgid: "set-gid",
  capability: "capabilities",
  worldWritable: "for all to write",
  listensNetwork: "network sockets",
  listensLocal: "local sockets",
  rootService: "unconfined root",
  hook: "run by others",
  writableExecutable: "write and execute",
  console: "at the console",
  kernelSetting: "kernel settings",
  kernelModule: "kernel modules",
  account: "can log in",
  package: "packages",
};
const INDENT = Math.max(...Object.values(TITLES).map(({ length }) => length)) + 8;

/** A line a kind with how many there are and the first of them; or every one with what is known of it. */
export function surfaceText({ counts, findings, notes }: AttackSurface, kinds: readonly FindingKind[], isWhole: boolean): string {
  const lines = kinds.map((kind) => {
    const head = `${TITLES[kind].padEnd(INDENT - 8)} ${String(counts[kind]).padStart(5)}`;
    const own = findings.filter((finding) => finding.kind === kind);
    if (isWhole) return [head, ...own.map((finding) => `  ${findingText(finding)}`)].join("\n");
    return `${head}  ${firstNames(own)}`.trimEnd();
  });
  return [...lines, ...notes.map((note) => `note: ${wrapped(shown(note), "note: ".length)}`)].join("\n");
}

const findingText = ({ name, detail }: Finding): string => `${shown(name)}${detail === "" ? "" : `  (${shown(detail)})`}`;

/** The names of an option, with commas between them. @throws InvalidArgumentError for a kind that there is not */
export function kindsOf(text: string): readonly FindingKind[] {
  const names: readonly string[] = text.split(",");
  const kinds = FINDING_KINDS.filter((kind) => names.includes(kind));
  if (!names.every((name) => kinds.some((kind) => kind === name))) {
    throw new InvalidArgumentError(`Kinds are ${FINDING_KINDS.join(", ")}.`);
  }
  return kinds;
}

/** Lines of a kind that are shown where not all are asked for. */
const MOST = 20;

/** Before and after. */
interface SurfaceCounts {
  readonly from: AttackSurface["counts"];
  readonly to: AttackSurface["counts"];
}

/** What came, went and changed, kind by kind; counts before and after. */
export function surfaceDiffText({ added, removed, changed }: SurfaceDiff, counts: SurfaceCounts, isWhole: boolean): string {
  const sections = FINDING_KINDS.flatMap((kind) => {
    const own = <T extends { readonly kind: FindingKind }>(list: readonly T[]): readonly T[] =>
      list.filter((one) => one.kind === kind);
    const lines = [
      ...own(removed).map((finding) => `  - ${findingText(finding)}`),
      ...own(added).map((finding) => `  + ${findingText(finding)}`),
      ...own(changed).map(({ name, from, to }) => `  ~ ${shown(name)}  (${shown(from)} → ${shown(to)})`),
    ];
    if (lines.length === 0) return [];
    const hidden = isWhole ? 0 : Math.max(0, lines.length - MOST);
    const shownLines = [...lines.slice(0, lines.length - hidden), ...(hidden > 0 ? [`    and ${hidden} more`] : [])];
    return [`${TITLES[kind]}: ${counts.from[kind]} → ${counts.to[kind]}`, ...shownLines];
  });
  return sections.join("\n") || "Nothing that an attacker would find differs.";
}

/** As many names as there is room for. */
function firstNames(findings: readonly Finding[]): string {
  const lines: string[] = [""];
  for (const [at, { name }] of findings.entries()) {
    const rest = ` and ${findings.length - at} more`;
    const line = lines.at(-1)!;
    const longer = line === "" ? shown(name) : `${line} ${shown(name)}`;
    const isLast = lines.length === LINES;
    const room = WIDTH - INDENT - (isLast && at < findings.length - 1 ? rest.length : 0);
    if (line === "" || longer.length <= room) lines.splice(-1, 1, longer);
    else if (isLast) return [...lines.slice(0, -1), `${line}${rest}`].join(`\n${" ".repeat(INDENT)}`);
    else lines.push(shown(name));
  }
  return lines.join(`\n${" ".repeat(INDENT)}`);
}
