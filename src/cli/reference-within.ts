import { resolve } from "node:path";
import type { Reference } from "../registry/reference.ts";

/** Names of folders and files are those of whoever wrote them. */
export function referenceWithin(cwd: string, reference: Reference): Reference {
  if (reference.kind === "layout") return { ...reference, folder: resolve(cwd, reference.folder) };
  return reference.kind === "archive" ? { ...reference, file: resolve(cwd, reference.file) } : reference;
}
