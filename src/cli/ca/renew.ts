import type { Command } from "commander";
import { parseAddress } from "../../client/address.ts";
import { contextOf, type Contexts } from "../../client/contexts.ts";
import { timeText } from "../../core/date-text.ts";
import { AppError } from "../../core/error.ts";
import { certificatesIn } from "../../host/certificates.ts";
import { SIGNER_PORT } from "../../layout/api-places.ts";
import type { Cli, CliContext } from "../context.ts";
import { readContexts, writeContexts } from "../contexts/context-file.ts";

export function registerCaRenew(ca: Command, cli: Cli): void {
  ca.command("renew")
    .argument("<address>", `of \`petrify ca serve\`: HOST, or HOST:PORT (default: port ${SIGNER_PORT})`)
    .summary("get another certificate for yourself, before yours is over")
    .description(
      "Asks a running `petrify ca serve` for another certificate in place of the one in a context: of the same name and role,\n" +
        "lasting as long. A context that was added with --secrets needs none.",
    )
    .option("--context <name>", "whose certificate (default: the context in use)")
    .addHelpText("after", "\nExamples:\n  petrify ca renew ca.example\n  petrify ca renew 192.0.2.2:50001 --context edge")
    .action(cli.action(renew));
}

/** A signature, over a slow line; milliseconds. */
const RENEWAL_MS = 30_000;

async function renew(context: CliContext, at: string, { context: asked }: { readonly context?: string }): Promise<void> {
  const address = parseAddress(at, SIGNER_PORT);
  const contexts = await readContexts(context);
  const [named, { authorities, credentials }] = contextOf(contexts, asked);
  if ("secrets" in credentials) {
    throw new AppError(
      "RENEWAL_UNNEEDED",
      `the context ${named} has the authority's key: it makes a certificate for each command`,
    );
  }
  const { openSigner, signerError } = await import("../../client/open-signer.ts");
  await using connection = await openSigner(address, credentials, { authorities }, context.signal);
  const call = { signal: context.signal, timeoutMs: RENEWAL_MS };
  const { certificate } = await connection.signing.renew({}, call).catch((error: unknown) => {
    context.signal.throwIfAborted();
    throw signerError(address.host, error);
  });
  const [own] = certificatesIn(certificate);
  const [before] = certificatesIn(credentials.certificate);
  const accepted = certificatesIn(authorities);
  const isUsable =
    own?.publicKey.equals(before!.publicKey) && accepted.some((one) => own.checkIssued(one) && own.verify(one.publicKey));
  if (!isUsable) {
    throw new AppError(
      "CERTIFICATE_INVALID",
      `${address.host} has answered with a certificate that is none for the context ${named}`,
      {
        hint: "If the authority is another one now, add a context with its ca.pem.",
      },
    );
  }
  await writeContexts(context, withCertificate(contexts, named, certificate, credentials.key));
  const until = own!.validToDate.toISOString();
  context.output.result(
    { context: named, until },
    `Your certificate of the context ${named} lasts until ${timeText(own!.validToDate.getTime() / 1000)} UTC.`,
  );
}

const withCertificate = (file: Contexts, named: string, certificate: string, key: string): Contexts => ({
  ...file,
  contexts: { ...file.contexts, [named]: { ...file.contexts[named]!, credentials: { certificate, key } } },
});
