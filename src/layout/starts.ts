/** @portable Which programs the files of an image start: lines of units, rules and tables, as whoever reads them understands them. */

import { baseName } from "./attack-surface/program-format.ts";
import { wordsOf } from "./unit-file.ts";

/** What says that a program is started. */
export type StarterKind =
  | "unit"
  | "udev rule"
  | "tmpfiles entry"
  | "cron table"
  | "D-Bus service"
  | "module command"
  | "binary format";

/** One program that a line names. */
export interface Start {
  readonly kind: StarterKind;
  /** Path in the image. */
  readonly file: string;
  readonly line: number;
  /** A path, or a name that is looked for in {@link Start.folders}. */
  readonly program: string;
  readonly folders: readonly string[];
  /** It is an argument of another program, which may start it, or only read it. */
  readonly isArgument?: true;
}
type Named = Pick<Start, "program" | "isArgument">;
interface Line {
  readonly number: number;
  readonly text: string;
}
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

/** Where programs without a folder are looked for. Source: systemd.exec(5), "ExecSearchPath=" */
const SEARCH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"] as const;
const SHELL = "/bin/sh";

/** Lines that end with a backslash go on in the next one; the number is the first one's. Comments and empty lines are left out. */
function linesOf(text: string, comment: RegExp): Line[] {
  const found: Line[] = [];
  let begun: Line | undefined;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const isComment = comment.test(raw);
    if (begun && isComment) continue; // within a line that goes on a comment is passed over
    const line = { number: begun?.number ?? index + 1, text: `${begun?.text ?? ""}${raw}` };
    if (raw.endsWith("\\") && !isComment) begun = { ...line, text: `${line.text.slice(0, -1)} ` };
    else {
      begun = undefined;
      if (!isComment && line.text.trim() !== "") found.push(line);
    }
  }
  if (begun) found.push(begun);
  return found;
}

/** Programs that start the one that their arguments name. */
const STARTERS = new Set([
  "env",
  "nice",
  "ionice",
  "chrt",
  "taskset",
  "timeout",
  "setpriv",
  "stdbuf",
  "nohup",
  "flock",
  "unshare",
  "nsenter",
  "chroot",
]);

/** The program of a command line, and every path that it is given: one of them may be a program that the first one starts. */
function programsOf(words: readonly string[]): Named[] {
  const [program, ...rest] = words;
  if (program === undefined) return [];
  const isStarter = STARTERS.has(baseName(program));
  const named = rest
    .filter((word) => word.startsWith("/"))
    .map((word): Named => ({ program: word, ...(!isStarter && { isArgument: true }) }));
  const started = isStarter ? rest.find((word) => !/^[-/]|=/.test(word)) : undefined;
  return [{ program }, ...named, ...(started === undefined ? [] : [{ program: started }])];
}

const EXEC = /^\s*(Exec(?:Condition|(?:Start|Stop)(?:Pre|Post)?|Reload(?:Post)?))\s*=\s*(.*)$/;

/**
 * What a unit starts. Drop-ins count as systemd reads them: an assignment without a value takes back those before it.
 *
 * @param files of the unit: its own, then its drop-ins in their order
 * Source: systemd.service(5), "Command lines"; systemd.unit(5)
 */
export function unitStarts(files: readonly TextFile[]): Start[] {
  const found = new Map<string, Start[]>();
  for (const { path: file, text } of files) {
    for (const line of linesOf(text, /^\s*[#;]/)) {
      const [, key, value] = EXEC.exec(line.text) ?? [];
      if (key === undefined) continue;
      if (value === "") {
        found.delete(key);
        continue;
      }
      const words = wordsOf(value!.replace(/^[-@:+!|]*/, ""));
      const argv = /^[-:+!|]*@/.test(value!) ? words.toSpliced(1, 1) : words; // the second word is what the program is called
      // Several commands may be in one line, with `;` between them.
      const commands = argv
        .join("\n")
        .split(/\n;\n/)
        .map((command) => command.split("\n"));
      const starts = commands.flatMap(programsOf).map((named) => ({
        ...named,
        ...({ kind: "unit", file, line: line.number, program: named.program.replaceAll("%%", "%"), folders: SEARCH } as const),
      }));
      found.set(key, [...(found.get(key) ?? []), ...starts]);
    }
  }
  return [...found.values()].flat();
}

/** Source: udev(7): a program without a folder lies in `/usr/lib/udev` */
export function udevStarts({ path: file, text }: TextFile): Start[] {
  const command = /\b(?:RUN|PROGRAM|IMPORT(?=\{))(?:\{program\})?\s*[+:=]?=\s*e?"((?:[^"\\]|\\.)*)"/g;
  return linesOf(text, /^\s*#/).flatMap(({ text: rule, number: line }) =>
    [...rule.matchAll(command)]
      .flatMap(([, value]) => programsOf(wordsOf(value!)))
      .map((named) => ({ ...named, kind: "udev rule", file, line, folders: ["/usr/lib/udev", "/lib/udev"] }) as const),
  );
}

/** Links and copies that an entry makes. Source: tmpfiles.d(5) */
export const tmpfilesStarts = ({ path: file, text }: TextFile): Start[] =>
  linesOf(text, /^\s*#/).flatMap(({ text: entry, number: line }) => {
    const [type = "", , , , , , argument] = wordsOf(entry);
    if (!/^[LC][+?!=~^$-]*$/.test(type) || !argument?.startsWith("/")) return [];
    return [{ kind: "tmpfiles entry", file, line, program: argument, folders: [] }];
  });

/** Each line of a table is for a shell. Source: crontab(5) */
export const cronStarts = ({ path: file, text }: TextFile): Start[] =>
  linesOf(text, /^\s*(#|[A-Za-z_]+\s*=)/).map(({ number: line }) => ({
    kind: "cron table",
    file,
    line,
    program: SHELL,
    folders: [],
  }));

/** Source: D-Bus Specification, "Message Bus Starting Services (Activation)" */
export const dbusStarts = ({ path: file, text }: TextFile): Start[] => {
  const lines = linesOf(text, /^\s*#/);
  // What systemd starts is in the unit; the bus has no use for the program then.
  if (lines.some(({ text: line }) => /^SystemdService\s*=/.test(line))) return [];
  return lines.flatMap(({ text: entry, number: line }) => {
    const [, value] = /^Exec\s*=\s*(.*)$/.exec(entry) ?? [];
    return programsOf(wordsOf(value ?? "")).map(
      (named) => ({ ...named, kind: "D-Bus service", file, line, folders: SEARCH }) as const,
    );
  });
};

/** Commands in place of a module, which a shell runs; what only says no needs none. Source: modprobe.d(5) */
export const moduleStarts = ({ path: file, text }: TextFile): Start[] =>
  linesOf(text, /^\s*#/).flatMap(({ text: entry, number: line }) => {
    const [command, , ...words] = wordsOf(entry);
    if (command !== "install" && command !== "remove") return [];
    if (/^(?:\/usr)?(?:\/bin\/)?(?:true|false)$/.test(words.join(" "))) return [];
    return [{ kind: "module command", file, line, program: SHELL, folders: [] }];
  });

/** Source: binfmt.d(5): `:name:type:offset:magic:mask:interpreter:flags` */
export const formatStarts = ({ path: file, text }: TextFile): Start[] =>
  linesOf(text, /^\s*[#;]/).flatMap(({ text: entry, number: line }) => {
    const interpreter = entry.split(entry[0]!)[6];
    return interpreter ? [{ kind: "binary format", file, line, program: interpreter, folders: [] }] : [];
  });
