import { join, resolve } from "node:path";
import type { Command } from "commander";
import { AppError } from "../../core/error.ts";
import { certificatesIn } from "../../host/certificates.ts";
import { readText } from "../../host/files.ts";
import { interfaceAddresses } from "../../host/interfaces.ts";
import { SIGNER_PORT } from "../../layout/api-places.ts";
import { listenPlan } from "../../layout/listen-address.ts";
import { shortLine } from "../../layout/short-line.ts";
import { parseEpoch } from "../../pki/identity.ts";
import type { Cli, CliContext } from "../context.ts";
import { recoveryHashOf } from "../recovery-hash.ts";
import { openSecrets, SECRETS, secretsOption } from "../secrets-folder.ts";
import { deniedKeys } from "./denied-keys.ts";
import { spendToken } from "./join-tokens.ts";
import type { SigningEvent, SigningOptions } from "./signing.ts";

interface Options {
  readonly listen: string;
  readonly name?: readonly string[];
  readonly secrets: string;
}

export function registerCaServe(ca: Command, cli: Cli): void {
  ca.command("serve")
    .summary("sign certificates that are about to end, over the network")
    .description(
      "Signs another certificate for who shows one of the authority and has its key: a machine's also when it is over, a\n" +
        "person's while it is in force. Nothing is signed for revoked epochs and denied keys. The authority's key is read once,\n" +
        "at the start. With --json, what is signed and refused is printed as one JSON document per line. Ctrl-C ends it.",
    )
    .option("--listen <address:port>", "where", `127.0.0.1:${SIGNER_PORT}`)
    .option("--name <name...>", "names by which it is reached, for clients that look at them; petrify's own know it by its key")
    .addOption(secretsOption())
    .addHelpText(
      "after",
      `\nExamples:\n  petrify ca serve --listen 192.0.2.2:${SIGNER_PORT}\n` +
        "  petrify ca serve --listen 0.0.0.0 --name ca.example --secrets /srv/petrify-secrets --json",
    )
    .action(cli.action(serve));
}

async function serve(context: CliContext, { listen, name = [], secrets }: Options): Promise<void> {
  const { output, signal, random, now } = context;
  const folder = resolve(context.cwd, secrets);
  const opened = await openSecrets(folder);
  const { authority } = opened;
  const recovery = await recoveryHashOf(opened);
  const plan = listenPlan({ listen, dhcp: false, port: SIGNER_PORT }, interfaceAddresses());
  const [hostname, ...addresses] = [...name, ...plan.reached] as [string, ...string[]];
  const counted = { signed: 0, refused: 0 };
  const log = (event: SigningEvent): void => {
    counted[event.type]++;
    output.event(event, shortLine(eventText(event)));
  };
  const { openSigning } = await import("./signing.ts");
  {
    await using server = await openSigning({
      ...{ at: { host: plan.address, port: plan.port }, names: { hostname, addresses }, random, now, log },
      ...{ authority, recovery },
      standing: async () => await standingIn(folder, authority.certificate),
      spend: async (joining, at) => await spendToken(folder, joining, at, signal),
    });
    const reached = plan.reached.map((address) => `${address.includes(":") ? `[${address}]` : address}:${server.port}`);
    const serving = { type: "serving", addresses: reached };
    output.event(serving, `signing at ${reached.join(", ")}; Ctrl-C ends it`);
    await new Promise<void>((done) => {
      if (signal.aborted) done();
      signal.addEventListener("abort", () => done(), { once: true });
    });
  }
  output.result(counted, `signed ${counted.signed} certificates, refused ${counted.refused} requests`);
}

/**
 * @param own certificate of the authority that signs here
 * @throws AppError `SECRETS_INVALID`, `AUTHORITY_FORMER`: nothing is signed then
 */
async function standingIn(folder: string, own: Uint8Array): Promise<Awaited<ReturnType<SigningOptions["standing"]>>> {
  const [authorities, epochText, denied] = await Promise.all([
    readText(join(folder, SECRETS.authorities)),
    readText(join(folder, SECRETS.epoch)),
    deniedKeys(folder),
  ]);
  const epoch = parseEpoch(epochText.trim());
  if (epoch === undefined) throw new AppError("SECRETS_INVALID", "nobody knows which certificates are revoked");
  const accepted = certificatesIn(authorities);
  if (!accepted.some(({ raw }) => Buffer.compare(raw, own) === 0)) {
    throw new AppError("AUTHORITY_FORMER", "another authority is in force now", { hint: "Start `petrify ca serve` anew." });
  }
  return { authorities: accepted, epoch, denied };
}

const eventText = (event: SigningEvent): string =>
  event.type === "signed"
    ? `${event.at} signed for ${event.name} (${event.is}) at ${event.address}, until ${event.until}`
    : `${event.at} refused ${event.address}: ${event.reason}`;
