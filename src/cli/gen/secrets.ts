import { relative, resolve } from "node:path";
import type { Command } from "commander";
import { AppError } from "../../core/error.ts";
import { certificateText } from "../../host/certificates.ts";
import { fileExists, listFolder } from "../../host/files.ts";
import { writeNewFolder } from "../../host/new-folder.ts";
import { sha256 } from "../../host/sha256.ts";
import { newSigningKey, plainSigningKey } from "../../host/signing-key.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import type { Cli, CliContext } from "../context.ts";
import { SECRETS, SECRETS_FOLDER } from "../secrets-folder.ts";

const FIRST_EPOCH = 1;

export function registerGenSecrets(gen: Command, cli: Cli): void {
  gen
    .command("secrets")
    .summary("make an authority, a first admin, and a recovery token")
    .description(
      "Makes a folder with the key and the certificate of an authority (ten years), a first certificate of an admin\n" +
        `(twelve hours), and a recovery token. Only you may read any of it. Machines get ${SECRETS.authorities}; whoever has\n` +
        `${SECRETS.authorityKey} can call all of them as anybody: keep a copy in another place, offline.`,
    )
    .option("--output <folder>", "write them here; nothing may be there yet", SECRETS_FOLDER)
    .addHelpText("after", "\nExamples:\n  petrify gen secrets\n  petrify gen secrets --output ~/fleets/edge")
    .action(cli.action(genSecrets));
}

async function genSecrets(context: CliContext, { output }: { readonly output: string }): Promise<void> {
  const folder = resolve(context.cwd, output);
  if ((await fileExists(folder)) && (await listFolder(folder).catch(() => [""])).length > 0) throw exists(folder);
  const { authorityCertificate, clientCertificate, PERSON_HOURS } = await import("../../pki/certificate.ts");
  const making = { sha256, random: context.random, now: secondsNow() };
  const [key, admin] = [await newSigningKey(), await newSigningKey()];
  const authority = { key, certificate: authorityCertificate(key, making) };
  const identity = { name: "admin", role: "admin", epoch: FIRST_EPOCH } as const;
  const certificate = clientCertificate(authority, { publicKey: admin.publicKey, identity, hours: PERSON_HOURS }, making);
  const files = {
    [SECRETS.authorityKey]: plainSigningKey(key.pkcs8),
    [SECRETS.authorities]: certificateText(authority.certificate),
    [SECRETS.epoch]: `${FIRST_EPOCH}\n`,
    [SECRETS.adminKey]: plainSigningKey(admin.pkcs8),
    [SECRETS.adminCertificate]: certificateText(certificate),
    [SECRETS.recoveryToken]: `${recoveryToken(context.random)}\n`,
  };
  context.signal.throwIfAborted();
  await writeNewFolder(folder, files).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOTEMPTY" || cause.code === "ENOTDIR") throw exists(folder, cause);
    throw new AppError("SECRETS_NOT_WRITTEN", `${folder} cannot be written (${cause.code ?? cause.message})`, {
      hint: "Check the folder above it.",
      cause,
    });
  });
  context.output.result(
    { folder, files: Object.keys(files), epoch: FIRST_EPOCH },
    [
      `Wrote ${Object.keys(files).join(", ")} in ${folder}.`,
      `Next: petrify context add NAME --secrets ${relative(context.cwd, folder) || "."}`,
      `      ${SECRETS.authorities} goes to each machine: docs/concepts/pki.md`,
    ].join("\n"),
  );
}

const exists = (folder: string, cause?: unknown): AppError =>
  new AppError("SECRETS_EXIST", `${folder} is there already, and not empty`, {
    hint: "Name another one: machines that know an authority would not know a new one in its place.",
    cause,
  });

/** Crockford's: none that is taken for another one. */
const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** 120 bits, to be typed at a console: six groups of four. */
function recoveryToken(random: CliContext["random"]): string {
  const digits = Array.from(random(24), (byte) => DIGITS[byte % 32]!).join("");
  return digits.match(/.{4}/g)!.join("-");
}
