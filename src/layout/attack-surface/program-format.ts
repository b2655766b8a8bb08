/** @portable What the kernel would make of a file that may be executed, by its first bytes. */
import type { Bytes } from "../../core/units.ts";

/** How much of a file's beginning {@link programFormat} has to see: an ELF's program headers lie in it. */
export const HEAD_SIZE: Bytes = 1024;

export type ProgramFormat =
  | { readonly kind: "elf" }
  /** `argument`: what is given to the interpreter before the script's own path, one word however many there are. */
  | { readonly kind: "script"; readonly interpreter: string; readonly argument?: string }
  /** Neither: the kernel refuses it, but shells take such a file for a script of theirs. Source: sh(1p), "Command Search and Execution" */
  | { readonly kind: "unknown" };

/** What the kernel reads of a script. Source: Linux, include/uapi/linux/binfmts.h, `BINPRM_BUF_SIZE` */
const SCRIPT_HEAD: Bytes = 256;

/**
 * @param head the first {@link HEAD_SIZE} bytes, or all of a smaller file
 * @param path tells a shared library from a statically linked program where the headers do not
 * @returns nothing for what is no program although it may be executed: shared libraries, object files, empty files
 */
export function programFormat(head: Uint8Array, path: string): ProgramFormat | undefined {
  if (head.length === 0) return undefined;
  if (hasPrefix(head, [0x7f, 0x45, 0x4c, 0x46])) return isElfProgram(head, path) ? { kind: "elf" } : undefined;
  if (hasPrefix(head, [0x23, 0x21])) return scriptFormat(head);
  return { kind: "unknown" };
}

/** Programs that a script cannot run without: its interpreter, and what `env` is told to look for. */
export function interpretersOf({ interpreter, argument }: ProgramFormat & { kind: "script" }): readonly string[] {
  if (baseName(interpreter) !== "env" || argument === undefined) return [interpreter];
  // `env -S NAME=value program`: the options and settings of env(1) come first.
  const program = argument.split(/[ \t]+/).find((word) => !word.startsWith("-") && !word.includes("="));
  return program === undefined ? [interpreter] : [interpreter, program];
}

/** Last part of a path. */
export const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

const hasPrefix = (bytes: Uint8Array, prefix: readonly number[]): boolean => prefix.every((byte, i) => bytes[i] === byte);

/** Source: Linux, fs/binfmt_script.c */
function scriptFormat(head: Uint8Array): ProgramFormat {
  const text = new TextDecoder().decode(head.subarray(2, SCRIPT_HEAD));
  const [, interpreter, argument = ""] = /^[ \t]*([^ \t\n\0]+)[ \t]*([^\n\0]*)/.exec(text) ?? [];
  if (interpreter === undefined) return { kind: "unknown" };
  const rest = argument.trimEnd();
  return { kind: "script", interpreter, ...(rest === "" ? {} : { argument: rest }) };
}

/** Source: elf(5): `ET_EXEC`, `ET_DYN`, `PT_INTERP` */
const EXECUTABLE = 2;
const SHARED = 3;
const INTERPRETER_HEADER = 3;

function isElfProgram(head: Uint8Array, path: string): boolean {
  const [is64, isLittle] = [head[4] === 2, head[5] !== 2];
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (head.length < (is64 ? 64 : 52)) return false;
  const type = view.getUint16(16, isLittle);
  if (type !== SHARED) return type === EXECUTABLE;
  const start = is64 ? Number(view.getBigUint64(32, isLittle)) : view.getUint32(28, isLittle);
  const size = view.getUint16(is64 ? 54 : 42, isLittle);
  const count = view.getUint16(is64 ? 56 : 44, isLittle);
  for (let i = 0; i < count; i++) {
    const at = start + i * size;
    if (at + 4 <= head.length && view.getUint32(at, isLittle) === INTERPRETER_HEADER) return true;
  }
  // Without a loader: a library, the loader itself, or a program that was linked statically as position independent.
  return !/\.so(\.|$)/.test(baseName(path)) || /^ld[-.]/.test(baseName(path));
}
