/** An attack surface as people read it. */
import type { AttackSurface } from "../inspect/attack-surface.ts";
import { FINDING_KINDS, type Finding, type FindingKind } from "../layout/attack-surface/finding.ts";
import { shown } from "./diff-text.ts";

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
};
const INDENT = Math.max(...Object.values(TITLES).map(({ length }) => length)) + 8;

/** A line a kind with how many there are and the first of them; or every one with what is known of it. */
export function surfaceText({ counts, findings }: AttackSurface, kinds: readonly FindingKind[], isWhole: boolean): string {
  const lines = kinds.map((kind) => {
    const head = `${TITLES[kind].padEnd(INDENT - 8)} ${String(counts[kind]).padStart(5)}`;
    const own = findings.filter((finding) => finding.kind === kind);
    if (isWhole) return [head, ...own.map((finding) => `  ${findingText(finding)}`)].join("\n");
    return `${head}  ${firstNames(own)}`.trimEnd();
  });
  return lines.join("\n");
}

const findingText = ({ name, detail }: Finding): string => `${shown(name)}${detail === "" ? "" : `  (${shown(detail)})`}`;

export const isFindingKind = (text: string): text is FindingKind => FINDING_KINDS.some((kind) => kind === text);

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
