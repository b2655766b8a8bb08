/** @portable What to make the image's again at the next boot: `/usr/local/.petrify/reset.json`. docs/formats/reset-request.md */
import { AppError } from "../core/error.ts";
import { RESET_REQUEST_PATH } from "./fstab.ts";
import { isNormalPath } from "./persistent-folder.ts";

const FORMAT = 1;

/** The file's text. @param paths absolute and normal */
export const encodeResetRequest = (paths: readonly string[]): string => `${JSON.stringify({ format: FORMAT, paths })}\n`;

/**
 * Reads the file. One path that is not absolute and normal makes all of it invalid: it was not written by petrify then.
 *
 * @throws AppError `RESET_REQUEST_INVALID`
 */
export function parseResetRequest(text: string): readonly string[] {
  const value = parseJson(text) as { format?: unknown; paths?: unknown } | null;
  if (value?.format !== FORMAT) throw invalid(`has format ${JSON.stringify(value?.format)}, not ${FORMAT}`);
  const { paths } = value;
  if (!Array.isArray(paths) || !paths.every((path) => typeof path === "string" && isNormalPath(path))) {
    throw invalid("has no list of absolute paths");
  }
  return paths as string[];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AppError("RESET_REQUEST_INVALID", `${RESET_REQUEST_PATH} is not JSON`, { cause });
  }
}

const invalid = (what: string): AppError => new AppError("RESET_REQUEST_INVALID", `${RESET_REQUEST_PATH} ${what}`);
