import { resolve } from "node:path";
import type { Command } from "commander";
import { AppError } from "../../core/error.ts";
import { fileExists } from "../../host/files.ts";
import { writeNewFile } from "../../host/new-file.ts";
import { keyPassword, type PasswordSources } from "../../host/password.ts";
import { sha256 } from "../../host/sha256.ts";
import { encryptSigningKey, newSigningKey, plainSigningKey } from "../../host/signing-key.ts";
import { formatPublicKey, keyId } from "../../layout/public-key.ts";
import type { Cli, CliContext } from "../context.ts";
import { passwordOption, passwordSources } from "../signing-key.ts";

interface GenerateOptions {
  readonly passwordFd?: number;
  /** commander's form of `--no-password`. */
  readonly password: boolean;
}

export function registerKeysGenerate(keys: Command, cli: Cli): void {
  keys
    .command("generate")
    .argument("<name>", "NAME.key and NAME.pub are written; may have a folder in front")
    .summary("make a key pair")
    .description(
      "Makes a key pair (ECDSA on P-256, as cosign has it): NAME.key, which only you may read, and NAME.pub. A password\n" +
        "protects the private one: it is asked for twice, or read from --password-fd, PETRIFY_KEY_PASSWORD or\n" +
        "COSIGN_PASSWORD. Files that are there already are left alone.",
    )
    .addOption(passwordOption())
    .option("--no-password", "do not protect the private key: for a place that keeps secrets by other means")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify keys generate edge\n  petrify keys generate ~/keys/edge --password-fd 3 3<password.txt",
    )
    .action(cli.action(generate));
}

async function generate(context: CliContext, name: string, { passwordFd, password }: GenerateOptions): Promise<void> {
  const base = resolve(context.cwd, name);
  const [privateKey, publicKey] = [`${base}.key`, `${base}.pub`];
  for (const path of [privateKey, publicKey]) if (await fileExists(path)) throw exists(path); // before anybody types a password
  const secret = password ? await newPassword(passwordSources(context, passwordFd), privateKey) : undefined;
  const key = await newSigningKey();
  const text = secret === undefined ? plainSigningKey(key.pkcs8) : await encryptSigningKey(key.pkcs8, secret, context.random);
  context.signal.throwIfAborted();
  await write(privateKey, text, 0o600);
  await write(publicKey, formatPublicKey(key.publicKey), 0o644);
  const id = keyId(key.publicKey, sha256);
  context.output.result(
    { id, privateKey, publicKey, hasPassword: secret !== undefined },
    [
      `Wrote ${privateKey}, and ${publicKey}.`,
      `key  ${id}`,
      `Next: petrify keys init ${name}.pub, or petrify keys rotate ${name}.pub where there is a list already.`,
    ].join("\n"),
  );
}

async function write(path: string, text: string, mode: number): Promise<void> {
  await writeNewFile(path, text, mode).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EEXIST") throw exists(path);
    throw new AppError("KEY_NOT_WRITTEN", `${path} cannot be written (${error.code ?? error.message})`, {
      hint: "Check the folder.",
      cause: error,
    });
  });
}

const exists = (path: string): AppError =>
  new AppError("KEY_EXISTS", `${path} is there already`, {
    hint: "Take another name: releases that a lost key has signed cannot be signed again by another one of the same name.",
  });

/** Of a new key: what is typed unseen is typed twice. @throws AppError `KEY_PASSWORD_NEEDED`, `KEY_PASSWORD_DIFFERS` */
async function newPassword({ ask, ...sources }: PasswordSources, path: string): Promise<string> {
  const askTwice = async (question: string): Promise<string | undefined> => {
    const first = await ask!(question);
    if (first === undefined || (await ask!("The same again")) === first) return first;
    throw new AppError("KEY_PASSWORD_DIFFERS", "the two passwords are not the same", { hint: "Nothing was written: try again." });
  };
  return await keyPassword({ ...sources, ask: ask && askTwice }, `New password of ${path}`).catch((cause: unknown) => {
    if (sources.fd !== undefined || !(cause instanceof AppError) || cause.code !== "KEY_PASSWORD_NEEDED") throw cause;
    throw new AppError("KEY_PASSWORD_NEEDED", "a new key needs a password, and nobody has said one", {
      hint: "Set PETRIFY_KEY_PASSWORD, give a descriptor (--password-fd 3 3<FILE), or do without: --no-password.",
      cause,
    });
  });
}
