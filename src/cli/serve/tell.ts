import type { CliContext } from "../context.ts";

/** Something that happened while large files may be on their way: for people a line above the one that tells of them. */
export function tell({ json, output, progress }: CliContext, event: { readonly type: string } & object, human?: string): void {
  if (json) output.event(event);
  else if (human !== undefined) progress.note(human);
}
