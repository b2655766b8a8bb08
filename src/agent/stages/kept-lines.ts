/** A file that has certain lines, whatever else is in it: keys of a user, variables. Pure. */
import type { KeptLines } from "../../config/machine/compile/stage-plan.ts";

/** @param text what is there; empty where nothing is */
export function withLines(text: string, wanted: KeptLines["lines"]): string {
  const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
  for (const { line, begin } of wanted) {
    const at = lines.findIndex((other) => other === line || (begin !== undefined && other.startsWith(begin)));
    if (at < 0) lines.push(line);
    else lines[at] = line;
  }
  return lines.map((line) => `${line}\n`).join("");
}
