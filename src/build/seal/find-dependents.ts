/** What an image would start of what a sealed one has lost. */
import type { Start } from "../../layout/starts.ts";

/** A place that starts something that is not there, or cannot run. */
export interface Dependent {
  readonly kind: Start["kind"] | "hook" | "health check";
  readonly file: string;
  /** Nothing where the file as a whole is what does not run. */
  readonly line?: number;
  /** `/bin/sh, which is a shell` */
  readonly needs: string;
}

/** Programs that hand every command to a shell, whatever the command is. Source: crontab(5), at(1), interfaces(5), dhclient-script(8), dhcpcd-run-hooks(8) */
const RUN_SHELLS = /\/(?:cron|crond|anacron|atd|fcron|ifup|ifdown|dhclient|dhcpcd|pppd|logrotate)$/;
/** Where nothing is executed: docs/concepts/sealed.md */
const DATA = /^\/(?:etc|var|oem|tmp|run|dev\/shm|usr\/local)(?:\/|$)/;

export interface SealedTree {
  /** What the file at a path is, if it goes: `a shell`. */
  readonly gone: ReadonlyMap<string, string>;
  /** Folders that keep what is written to them. */
  readonly persistent: readonly string[];
}

/** @param at where the program is in the image once links are followed; nothing where it is not there */
export function whyNotStarted(
  { kind, program, isArgument }: Pick<Start, "program" | "isArgument"> & Pick<Dependent, "kind">,
  at: string | undefined,
  tree: SealedTree,
): string | undefined {
  if (at === undefined) return undefined; // it was not there before: nothing that sealing has to do with
  const what = tree.gone.get(at);
  if (what !== undefined) return `${program}, which is ${what}`;
  if (kind === "tmpfiles entry") return undefined; // it links or copies what there is
  const folder = DATA.exec(at)?.[0].replace(/\/$/, "") ?? tree.persistent.find((path) => at.startsWith(`${path}/`));
  // What a program is given of such a folder is mostly what it reads: its settings.
  if (folder !== undefined && isArgument === undefined) return `${program}, which lies in ${folder}, where nothing is executed`;
  if (RUN_SHELLS.test(at)) return `${program}, which has every command run by a shell`;
  return undefined;
}

/** What whoever writes the recipe can do about it. */
const INSTEAD: Readonly<Record<Dependent["kind"], string>> = {
  unit: "mask the unit (`units.mask`), or lay a drop-in or a unit of that name over it that starts a program",
  "udev rule": "lay a file of that name in /etc/udev/rules.d over it, or take it out (`sealed.remove`)",
  "tmpfiles entry": "lay a file of that name in /etc/tmpfiles.d over it",
  "cron table": "a timer unit, or `sealed.remove`",
  "D-Bus service": "`SystemdService=` and a unit, or `sealed.remove`",
  "module command": "a file of that name in /etc/modprobe.d, or `sealed.remove`",
  "binary format": "`sealed.remove`",
  hook: "a unit that starts a program, or `sealed.remove`",
  "health check": "a check by unit, http or tcp",
};

/** A list for people: what needs what, and what to do, each kind once. */
export function dependentsText(dependents: readonly Dependent[]): string {
  const kinds = [...new Set(dependents.map(({ kind }) => kind))];
  return kinds
    .flatMap((kind) => [
      ...dependents
        .filter((one) => one.kind === kind)
        .map(({ file, line, needs }) => `  ${file}${line === undefined ? "" : `:${line}`} (${kind}) needs ${needs}`),
      `    instead: ${INSTEAD[kind]}`,
    ])
    .join("\n");
}
