/** Private keys that commands are given: `--sign KEY`, `--key KEY`. Passwords never come from the command line. docs/concepts/signatures.md */
import { resolve } from "node:path";
import { InvalidArgumentError, Option } from "commander";
import { AppError } from "../core/error.ts";
import type { SigningKey } from "../core/signature.ts";
import { readHidden } from "../host/ask-password.ts";
import { readHead } from "../host/files.ts";
import { keyPassword, type PasswordSources } from "../host/password.ts";
import { openSigningKey } from "../host/signing-key.ts";
import type { CliContext } from "./context.ts";

/** Bytes. Keys have some 700. */
const LARGEST = 65_536;

export const passwordOption = (): Option =>
  new Option("--password-fd <number>", "read the key's password from this descriptor: --password-fd 3 3<FILE").argParser(
    (text) => {
      if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError("Write the number of a descriptor that is open, e.g. 3.");
      return Number(text);
    },
  );

type Asking = Pick<CliContext, "env" | "json" | "sinks" | "signal" | "terminal">;

/** Where a password comes from: the descriptor, the environment, or a person at the terminal. */
export function passwordSources({ env, json, sinks, signal, terminal }: Asking, fd: number | undefined): PasswordSources {
  const ask = async (question: string): Promise<string | undefined> => {
    try {
      return await readHidden(terminal.input, signal, () => sinks.err(`${question}: `));
    } finally {
      sinks.err("\n"); // the one that was typed is not shown
    }
  };
  return { fd, env, ask: !json && terminal.input.isTTY ? ask : undefined };
}

/**
 * The key in a file, opened with its password, if it has one.
 *
 * @param fd descriptor that gives the password
 * @throws AppError `KEY_MISSING`, `KEY_INVALID`, `KEY_PASSWORD_WRONG`, `KEY_PASSWORD_NEEDED`
 */
export async function openKeyFile(
  context: Asking & Pick<CliContext, "cwd">,
  file: string,
  fd: number | undefined,
): Promise<SigningKey> {
  const path = resolve(context.cwd, file);
  const text = await keyText(path);
  return await openSigningKey(text, path, async () => await keyPassword(passwordSources(context, fd), `Password of ${path}`));
}

/** The text of a file with a key of either kind. @throws AppError `KEY_MISSING` */
export async function keyText(path: string): Promise<string> {
  const bytes = await readHead(path, LARGEST);
  if (bytes) return new TextDecoder().decode(bytes);
  throw new AppError("KEY_MISSING", `${path} cannot be read`, {
    hint: "Name the file of a key; `petrify keys generate` makes one.",
  });
}
