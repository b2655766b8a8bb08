import { relative, resolve } from "node:path";
import { Option, type Command } from "commander";
import { AppError } from "../../core/error.ts";
import { certificateText } from "../../host/certificates.ts";
import { fileExists, listFolder } from "../../host/files.ts";
import { writeNewFolder } from "../../host/new-folder.ts";
import { sha256 } from "../../host/sha256.ts";
import { newSigningKey, plainSigningKey } from "../../host/signing-key.ts";
import type { Cli, CliContext } from "../context.ts";
import { SECRETS, SECRETS_FOLDER } from "../secrets-folder.ts";
import { raiseEpoch, ROTATIONS, rotateAuthority, type Rotation } from "./change-secrets.ts";

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
    .addOption(
      new Option("--rotate <step>", "have another authority follow the one in the folder, in three steps")
        .choices(ROTATIONS)
        .conflicts("revoke"),
    )
    .option("--revoke", "make all certificates of people invalid that there are, once machines know")
    .addHelpText(
      "after",
      "\nSteps of another authority, and of a folder whose certificates are revoked; each takes effect once machines know:\n" +
        "  --rotate begin    machines accept both\n" +
        "  --rotate switch   the new one signs; every admin's command gives machines that it calls a certificate of it\n" +
        "  --rotate end      machines accept the new one alone\n" +
        "\nExamples:\n  petrify gen secrets\n  petrify gen secrets --output ~/fleets/edge\n" +
        "  petrify gen secrets --rotate begin && petrify --all apply-trust\n  petrify gen secrets --revoke && petrify --all apply-trust",
    )
    .action(cli.action(genSecrets));
}

interface Options {
  readonly output: string;
  readonly rotate?: Rotation;
  readonly revoke?: boolean;
}

async function genSecrets(context: CliContext, { output, rotate, revoke }: Options): Promise<void> {
  const folder = resolve(context.cwd, output);
  if (rotate) {
    await rotateAuthority(folder, rotate, context);
    const next = rotate === "switch" ? "call each machine once, e.g. by: petrify --all version" : "petrify --all apply-trust";
    return context.output.result({ folder, rotation: rotate }, `${ROTATED[rotate]}\nNext: ${next}`);
  }
  if (revoke) {
    const epoch = await raiseEpoch(folder);
    const text = `Certificates of people are of epoch ${epoch} from now on.\nNext: petrify --all apply-trust`;
    return context.output.result({ folder, epoch }, text);
  }
  if ((await fileExists(folder)) && (await listFolder(folder).catch(() => [""])).length > 0) throw exists(folder);
  const { authorityCertificate, clientCertificate, PERSON_HOURS } = await import("../../pki/certificate.ts");
  const making = { sha256, random: context.random, now: context.now() };
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

const ROTATED: Readonly<Record<Rotation, string>> = {
  begin: "There is another authority, which does not sign yet.",
  switch: "The new authority signs from now on.",
  end: "The former authority is not accepted any more.",
};

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
