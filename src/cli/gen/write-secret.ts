import { AppError } from "../../core/error.ts";
import { writeNewFile } from "../../host/new-file.ts";

/** A new file that only its owner may read. @throws AppError `FILE_EXISTS`, `FILE_NOT_WRITTEN` */
export async function writeSecret(path: string, text: string): Promise<void> {
  await writeNewFile(path, text, 0o600).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "EEXIST")
      throw new AppError("FILE_EXISTS", `${path} is there already`, { hint: "Remove it first.", cause });
    throw new AppError("FILE_NOT_WRITTEN", `${path} cannot be written (${cause.code ?? cause.message})`, {
      hint: "Check the folder.",
      cause,
    });
  });
}
