import { createPublicKey, type KeyObject } from "node:crypto";
import { resolve } from "node:path";
import type { Command } from "commander";
import { AppError } from "../../core/error.ts";
import { certificateText } from "../../host/certificates.ts";
import { readText } from "../../host/files.ts";
import { keyFingerprint } from "../../host/node-key.ts";
import { sha256 } from "../../host/sha256.ts";
import { decodePem } from "../../layout/pem.ts";
import { isPublicKey } from "../../layout/public-key.ts";
import type { Cli, CliContext } from "../context.ts";
import { openSecrets, secretsOption } from "../secrets-folder.ts";
import { writeSecret } from "./write-secret.ts";

const PUBLIC_HALF = "openssl pkey -in /oem/identity/node-key.pem -pubout";

interface Options {
  readonly publicKey: string;
  readonly address?: readonly string[];
  readonly output?: string;
  readonly secrets: string;
}

export function registerGenNodeCertificate(gen: Command, cli: Cli): void {
  gen
    .command("node-certificate")
    .argument("<hostname>", "by which the machine is reached")
    .summary("vouch for a machine, so that nobody has to pin its key")
    .description(
      "Makes the certificate of a machine, which lasts for a year. The machine's key never leaves it: this takes the public\n" +
        "half. Compare the fingerprint with the one that `petrify status` shows on the machine.",
    )
    .requiredOption("--public-key <file>", "the public half of the machine's key (PEM)")
    .option("--address <address...>", "further names and IP addresses by which it is reached")
    .option("--output <file>", "write it here (default: HOSTNAME.pem)")
    .addOption(secretsOption())
    .addHelpText(
      "after",
      `\nExamples:\n  ${PUBLIC_HALF}   # on the machine\n` +
        "  petrify gen node-certificate edge-7.example --public-key edge-7.pub --address 192.0.2.7",
    )
    .action(cli.action(genNodeCertificate));
}

async function genNodeCertificate(context: CliContext, hostname: string, options: Options): Promise<void> {
  const { address: addresses = [] } = options;
  for (const name of [hostname, ...addresses]) assertHost(name);
  const keyFile = resolve(context.cwd, options.publicKey);
  const block = decodePem(await readText(keyFile).catch(() => ""));
  if (block?.label !== "PUBLIC KEY" || !isPublicKey(block.bytes)) {
    throw new AppError("KEY_INVALID", `${keyFile} is not the public half of a machine's key (ECDSA on P-256, PEM)`, {
      hint: `Get it on the machine: ${PUBLIC_HALF}`,
    });
  }
  const publicKey = block.bytes;
  const { authority } = await openSecrets(resolve(context.cwd, options.secrets));
  const { nodeCertificate } = await import("../../pki/certificate.ts");
  const making = { sha256, random: context.random, now: context.now() };
  const names = { hostname, addresses };
  const path = resolve(context.cwd, options.output ?? `${hostname}.pem`);
  await writeSecret(path, certificateText(nodeCertificate(authority, { publicKey, names }, making)));
  const fingerprint = keyFingerprint(keyOf(publicKey));
  context.output.result(
    { hostname, fingerprint, certificate: path },
    [`Wrote ${path}, of the key ${fingerprint}.`, "Next: put it on the machine as /oem/petrify/api/node.pem."].join("\n"),
  );
}

const keyOf = (publicKey: Uint8Array): KeyObject => createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });

function assertHost(name: string): void {
  if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(name) || /^[0-9a-f:.]{2,45}$/i.test(name)) return;
  throw new AppError("ADDRESS_INVALID", `${JSON.stringify(name)} is no host name or IP address`);
}
