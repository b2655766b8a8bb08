import { resolve } from "node:path";
import { AppError } from "../core/error.ts";
import { openSystemImage, type InspectContext, type OpenedImage } from "../inspect/open-image.ts";
import { toolsOf, type CliContext } from "./context.ts";
import { unreadableFile } from "./unreadable-file.ts";

/** The trees of programs are bootstrapped only when an image needs them. */
export const inspectContextOf = (context: CliContext): InspectContext => ({
  ...context,
  tools: async () => await toolsOf(context),
  containerTools: async () => await toolsOf(context, "containers"),
});

/** Opens the image that somebody named. @throws AppError `FILE_UNREADABLE`, `SYSTEM_IMAGE_INVALID` */
export async function openNamedImage(file: string, context: CliContext): Promise<OpenedImage> {
  const path = resolve(context.cwd, file);
  try {
    return await openSystemImage(path, inspectContextOf(context));
  } catch (cause) {
    if (cause instanceof AppError && cause.code === "IMAGE_INVALID") {
      const hint = "Name a system image (.img), not a disk.";
      throw new AppError("SYSTEM_IMAGE_INVALID", `${path} is not a system image: ${cause.message}`, { hint, cause });
    }
    throw unreadableFile(path, cause);
  }
}
