import { AppError } from "../core/error.ts";

/** Why a file that somebody named cannot be read, in words; any other error as it is. */
export function unreadableFile(path: string, cause: unknown): unknown {
  const { code } = cause as NodeJS.ErrnoException;
  if (code !== "ENOENT" && code !== "EACCES" && code !== "EISDIR" && code !== "ENOTDIR") return cause;
  const options = { hint: "Make one with `petrify build`.", cause };
  return new AppError("FILE_UNREADABLE", `${path} cannot be read (${code})`, options);
}
