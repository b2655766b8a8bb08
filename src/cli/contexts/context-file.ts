/** Where the contexts of a person lie. docs/formats/contexts.md */
import { join } from "node:path";
import { AppError } from "../../core/error.ts";
import { encodeContexts, NO_CONTEXTS, parseContexts, type Contexts } from "../../client/contexts.ts";
import { defaultConfigFolder } from "../../host/config-folder.ts";
import { makePrivateFolder, readText } from "../../host/files.ts";
import { replaceFile } from "../../host/replace-file.ts";
import type { CliContext } from "../context.ts";

type Env = Pick<CliContext, "env">;

const folderOf = ({ env }: Env): string => defaultConfigFolder(env);
export const contextFile = (edge: Env): string => join(folderOf(edge), "contexts.json");

/** @throws AppError `CONTEXTS_INVALID`, `CONTEXTS_NEWER`, `CONTEXTS_UNREADABLE` */
export async function readContexts(edge: Env): Promise<Contexts> {
  const path = contextFile(edge);
  const text = await readText(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw new AppError("CONTEXTS_UNREADABLE", `${path} cannot be read (${cause.code ?? cause.message})`, { cause });
  });
  return text === undefined ? NO_CONTEXTS : parseContexts(text, path);
}

/** For its owner alone: there may be private keys in it. */
export async function writeContexts(edge: Env, contexts: Contexts): Promise<void> {
  await makePrivateFolder(folderOf(edge));
  await replaceFile(contextFile(edge), encodeContexts(contexts), 0o600);
}
