import { resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { timeText } from "../../core/date-text.ts";
import { AppError } from "../../core/error.ts";
import { certificateText } from "../../host/certificates.ts";
import { fileExists } from "../../host/files.ts";
import { sha256 } from "../../host/sha256.ts";
import { newSigningKey, plainSigningKey } from "../../host/signing-key.ts";
import { isIdentityName, ROLES, type Role } from "../../pki/identity.ts";
import type { Cli, CliContext } from "../context.ts";
import { openSecrets, secretsOption } from "../secrets-folder.ts";
import { writeSecret } from "./write-secret.ts";

interface Options {
  readonly role: Role;
  readonly hours: number;
  readonly secrets: string;
}

export function registerGenCertificate(gen: Command, cli: Cli): void {
  gen
    .command("certificate")
    .argument("<name>", "of the person or the program, as logs show it; NAME.key and NAME.pem are written")
    .summary("make a certificate for a person or a program")
    .description(
      "Makes a key, and a certificate with a role: a reader may look, an operator may also act, an admin may do everything.\n" +
        "It lasts for twelve hours unless told otherwise, and ends at once where a machine is told that its epoch is over.",
    )
    .addOption(new Option("--role <role>", "what its owner may do").choices(ROLES).default("reader"))
    .addOption(new Option("--hours <number>", "that it lasts").argParser(parseHours).default(12))
    .addOption(secretsOption())
    .addHelpText(
      "after",
      "\nExamples:\n  petrify gen certificate alice --role operator\n  petrify gen certificate prometheus --hours 8760",
    )
    .action(cli.action(genCertificate));
}

async function genCertificate(context: CliContext, name: string, { role, hours, secrets }: Options): Promise<void> {
  if (!isIdentityName(name)) {
    throw new AppError("NAME_INVALID", `${JSON.stringify(name)} is no name for a certificate`, {
      hint: "Use at most 64 letters, digits, dots, dashes, underscores, plus and at signs.",
    });
  }
  const [keyFile, certificateFile] = ["key", "pem"].map((end) => resolve(context.cwd, `${name}.${end}`)) as [string, string];
  for (const path of [keyFile, certificateFile]) {
    if (await fileExists(path))
      throw new AppError("FILE_EXISTS", `${path} is there already`, { hint: "Remove it, or take another name." });
  }
  const { authority, epoch } = await openSecrets(resolve(context.cwd, secrets));
  const { clientCertificate } = await import("../../pki/certificate.ts");
  const key = await newSigningKey();
  const making = { sha256, random: context.random, now: context.now() };
  const made = clientCertificate(authority, { publicKey: key.publicKey, identity: { name, role, epoch }, hours }, making);
  context.signal.throwIfAborted();
  await writeSecret(keyFile, plainSigningKey(key.pkcs8));
  await writeSecret(certificateFile, certificateText(made));
  const until = making.now + hours * 3600;
  context.output.result(
    { name, role, epoch, until, key: keyFile, certificate: certificateFile },
    [
      `Wrote ${keyFile}, and ${certificateFile}: ${role}, until ${timeText(until)} UTC.`,
      `Next, where they are used: petrify context add NAME --ca ca.pem --certificate ${name}.pem --key ${name}.key`,
    ].join("\n"),
  );
}

function parseHours(text: string): number {
  const hours = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (hours < 1 || hours > 87_600) throw new InvalidArgumentError("Write a number of hours, from 1 to 87600.");
  return hours;
}
