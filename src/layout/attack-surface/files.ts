/** @portable What the files of an image give to somebody who attacks it. */
import type { TreeNode } from "../erofs-tree.ts";
import { plainModulePath } from "../kernel-modules.ts";
import { capabilityText, decodeFileCapability } from "./file-capability.ts";
import type { Finding } from "./finding.ts";
import { interpretersOf, programFormat, type ProgramFormat } from "./program-format.ts";
import { PROGRAM_ROLES, rolesOf, type ProgramRole } from "./program-roles.ts";

/** A name in the image's root file system. */
export interface SurfaceFile extends Pick<TreeNode, "path" | "kind" | "mode" | "uid" | "gid"> {
  /** Names with the same number are hard links of one file. */
  readonly nid: number;
  /** Of a link: where it leads inside the image in the end; nothing where it leads nowhere. */
  readonly leadsTo?: string | undefined;
  /** Of a file that may be executed: its first `HEAD_SIZE` bytes. */
  readonly head?: Uint8Array;
  /** Its attribute `security.capability`. */
  readonly capability?: Uint8Array | undefined;
}

export interface Program {
  readonly path: string;
  /** Other paths of it: hard links, and links that lead to it. */
  readonly names: readonly string[];
  readonly format: ProgramFormat;
  /** By any of its names. */
  readonly roles: readonly ProgramRole[];
}

const SET_UID = 0o4000;
const SET_GID = 0o2000;
const STICKY = 0o1000;
const ANY_EXECUTE = 0o111;
const OTHERS_WRITE = 0o002;

/** Whether {@link SurfaceFile.head} has to be given. */
export const mayBeExecuted = ({ kind, mode }: Pick<SurfaceFile, "kind" | "mode">): boolean =>
  kind === "file" && (mode & ANY_EXECUTE) !== 0;

/** Every program once, in the order of their first paths. */
export function programsIn(files: Iterable<SurfaceFile>): readonly Program[] {
  const found = new Map<number, { path: string; names: string[]; format: ProgramFormat }>();
  const byPath = new Map<string, number>();
  const links: (readonly [path: string, leadsTo: string])[] = [];
  for (const { kind, path, mode, nid, leadsTo, head } of files) {
    if (kind === "link" && leadsTo !== undefined) links.push([path, leadsTo]);
    if (!mayBeExecuted({ kind, mode })) continue;
    const format = programFormat(head ?? new Uint8Array(), path);
    if (!format) continue;
    byPath.set(path, nid);
    const known = found.get(nid);
    if (known) known.names.push(path);
    else found.set(nid, { path, names: [], format });
  }
  for (const [path, leadsTo] of links) found.get(byPath.get(leadsTo) ?? -1)?.names.push(path);
  return [...found.values()].map(({ path, names, format }) => {
    const roles = new Set([path, ...names].flatMap((name) => rolesOf(name, format.kind)));
    return { path, names: names.toSorted(), format, roles: PROGRAM_ROLES.filter((role) => roles.has(role)) };
  });
}

/** Programs and what they are good for, privileges of files, what everybody may write, and modules of the kernel. */
export function fileFindings(files: readonly SurfaceFile[]): readonly Finding[] {
  return [...programsIn(files).flatMap(programFindings), ...files.flatMap(privilegeFindings), ...files.flatMap(moduleFindings)];
}

/** Without the kernel's version, nor the suffix of a compression: another kernel's module of the same name is the same. */
function moduleFindings({ path, kind }: SurfaceFile): readonly Finding[] {
  const name = /^\/(?:usr\/)?lib\/modules\/[^/]+\/(.+\.ko(?:\.(?:xz|zst|gz))?)$/.exec(path)?.[1];
  return kind === "file" && name !== undefined ? [{ kind: "kernelModule", name: plainModulePath(name), detail: "" }] : [];
}

function programFindings({ path, names, format, roles }: Program): readonly Finding[] {
  const called = [...new Set(names)].filter((name) => rolesOf(name, format.kind).length > 0);
  const detail = called.length === 0 ? "" : `also ${called.join(" ")}`;
  return [{ kind: "executable", name: path, detail: formatText(format) }, ...roles.map((kind) => ({ kind, name: path, detail }))];
}

const formatText = (format: ProgramFormat): string =>
  format.kind === "script"
    ? `script of ${interpretersOf(format).join(" ")}`
    : format.kind === "elf"
      ? "ELF"
      : "of no known format";

function privilegeFindings({ path: name, kind, mode, uid, gid, capability }: SurfaceFile): readonly Finding[] {
  if (kind === "link") return [];
  const bits = mode.toString(8).padStart(4, "0");
  const owner = `${bits}, user ${uid}, group ${gid}`;
  const isFile = kind === "file";
  const isWritable = (mode & OTHERS_WRITE) !== 0 && kind !== "character" && kind !== "block";
  const sticky = (mode & STICKY) !== 0 ? ", sticky" : "";
  return [
    ...(isFile && (mode & SET_UID) !== 0 ? [{ kind: "setuid", name, detail: owner } as const] : []),
    ...(isFile && (mode & SET_GID) !== 0 ? [{ kind: "setgid", name, detail: owner } as const] : []),
    ...(capability ? [{ kind: "capability", name, detail: textOf(capability) } as const] : []),
    ...(isWritable ? [{ kind: "worldWritable", name, detail: `${kind}${sticky}` } as const] : []),
  ];
}

function textOf(attribute: Uint8Array): string {
  const capability = decodeFileCapability(attribute);
  return capability ? capabilityText(capability) : "of no form that the kernel knows";
}
