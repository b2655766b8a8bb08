/** What a caller asks for, as far as it can be done. Whoever has taken over the API's program could ask for anything. */
import { AppError } from "../../core/error.ts";
import type { Seconds } from "../../core/units.ts";
import type { TerminalSize } from "../../host/pty.ts";
import { grantedRights, type DebugRight } from "../../layout/debug-rights.ts";
import { DebugRight as Right, type DebugStart, type DebugWindow } from "../../protocol/petrify/v1/debug_pb.ts";

export interface DebugWanted {
  /** A registry's, as it was written; or what the caller sends. */
  readonly image: { readonly reference: string } | { readonly archive: true; readonly tag?: string };
  /** As asked for. */
  readonly rights: readonly DebugRight[];
  readonly granted: ReadonlySet<DebugRight>;
  /** None: what the image says. */
  readonly command: readonly string[];
  readonly terminal: { readonly kind: string; readonly size: TerminalSize } | undefined;
  readonly seconds: Seconds;
}

const NAMES: Readonly<Partial<Record<Right, DebugRight>>> = {
  ...{ [Right.NETWORK]: "network", [Right.PROCESSES]: "processes", [Right.FILES]: "files", [Right.WRITE]: "write" },
  ...{ [Right.DEVICES]: "devices", [Right.ALL]: "all" },
};
/** The early program hands over so many: src/initrd/native.c. */
const MOST_WORDS = 200;
const LONGEST_WORD = 32_768;
const LONGEST_REFERENCE = 1024;
const DEFAULT_SECONDS: Seconds = 3600;
const MOST_SECONDS: Seconds = 12 * 3600;
const LARGEST_SIDE = 1000;
const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };

/** @throws AppError `REQUEST_INVALID` */
export function wantedOf({ image, rights: numbers, command, terminal, duration }: DebugStart): DebugWanted {
  const rights = [...new Set(numbers)].map((one) => NAMES[one] ?? invalid(`there is no right ${one}`));
  if (command.length > MOST_WORDS) invalid(`a command has at most ${MOST_WORDS} words`);
  if (command[0] === "") invalid("the name of the program is empty");
  if (command.some((one) => one.length > LONGEST_WORD || one.includes("\0"))) invalid("a word of the command is none");
  const seconds = duration ? Number(duration.seconds) : DEFAULT_SECONDS;
  if (seconds < 1 || seconds > MOST_SECONDS) invalid("it lasts between 1 s and 12 h");
  return {
    ...{ image: imageOf(image), rights, granted: grantedRights(rights), command, seconds },
    terminal: terminal && { kind: kindOf(terminal.kind), size: sizeOf(terminal.window) },
  };
}

/** @throws AppError `REQUEST_INVALID` */
export function sizeOf(window: Pick<DebugWindow, "columns" | "rows"> | undefined): TerminalSize {
  const { columns, rows } = window ?? DEFAULT_SIZE;
  if (columns > LARGEST_SIDE || rows > LARGEST_SIDE) invalid(`a terminal has at most ${LARGEST_SIDE} columns and rows`);
  return { columns: columns || DEFAULT_SIZE.columns, rows: rows || DEFAULT_SIZE.rows };
}

function imageOf(image: DebugStart["image"]): DebugWanted["image"] {
  if (image.case === "archive") return { archive: true, ...(image.value.tag === "" ? {} : { tag: image.value.tag }) };
  if (image.case === "reference" && image.value !== "" && image.value.length <= LONGEST_REFERENCE)
    return { reference: image.value };
  return invalid("it names no image");
}

const kindOf = (kind: string): string => (/^[\w.+-]{1,64}$/.test(kind) ? kind : "dumb");

function invalid(why: string): never {
  throw new AppError("REQUEST_INVALID", `the request is not understood: ${why}`);
}
