import { AppError } from "../../core/error.ts";
import { isSecretPath, looksSecret } from "../../layout/secret-paths.ts";

/** @param path with every link followed @param head of the file @throws AppError `PATH_REFUSED` */
export function allowFile(path: string, head: Uint8Array | undefined): void {
  const isSecret = isSecretPath(path) || (head !== undefined && looksSecret(Buffer.from(head).toString("latin1")));
  if (!isSecret) return;
  throw new AppError("PATH_REFUSED", `${path} is closed to the API: it may hold a secret`, {
    hint: "What lets others in is not read over the network, whoever asks.",
  });
}
