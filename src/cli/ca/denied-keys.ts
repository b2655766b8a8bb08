/** Keys for which nothing is signed any more, in a folder of secrets: a fingerprint a line, and why behind it. docs/concepts/pki.md */
import { join } from "node:path";
import { AppError } from "../../core/error.ts";
import { readText } from "../../host/files.ts";
import { replaceFile } from "../../host/replace-file.ts";
import { SECRETS } from "../secrets-folder.ts";
import { inTurn } from "./secrets-lock.ts";

const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;

/** @throws NodeJS.ErrnoException for a file that cannot be read: nobody would know whom to refuse */
export const deniedKeys = async (folder: string): Promise<ReadonlySet<string>> =>
  new Set((await linesOf(folder)).map((line) => line.split(" ")[0]!));

/** @returns whether it was another way before @throws AppError `FINGERPRINT_INVALID`, `SECRETS_BUSY` */
export async function denyKey(folder: string, key: string, isDenied: boolean, signal: AbortSignal): Promise<boolean> {
  if (!FINGERPRINT.test(key)) {
    throw new AppError("FINGERPRINT_INVALID", `${JSON.stringify(key)} is no fingerprint of a key`, {
      hint: "Write it as `petrify status` and `petrify ca serve` show it: SHA256: and 43 characters.",
    });
  }
  return await inTurn(folder, signal, async () => {
    const lines = await linesOf(folder);
    const others = lines.filter((line) => line.split(" ")[0] !== key);
    if (others.length < lines.length === isDenied) return false;
    const after = isDenied ? [...others, key] : others;
    await replaceFile(join(folder, SECRETS.denied), after.map((line) => `${line}\n`).join(""), 0o600);
    return true;
  });
}

async function linesOf(folder: string): Promise<string[]> {
  const text = await readText(join(folder, SECRETS.denied)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return text.split("\n").filter((line) => line.trim() !== "");
}
