import { X509Certificate } from "node:crypto";
import { resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { timeText } from "../../core/date-text.ts";
import { hex } from "../../core/digest.ts";
import { parseDuration, type Seconds } from "../../core/units.ts";
import { keyFingerprint } from "../../host/node-key.ts";
import { formatJoinToken } from "../../layout/join-token.ts";
import type { Cli, CliContext } from "../context.ts";
import { openSecrets, secretsOption } from "../secrets-folder.ts";
import { tableText } from "../table.ts";
import { hashOf, revokeToken, storedTokens, storeToken, type StoredToken } from "./join-tokens.ts";

interface Secrets {
  readonly secrets: string;
}
interface CreateOptions extends Secrets {
  readonly uses: number;
  readonly ttl: Seconds;
  readonly label?: string;
}

/** `petrify ca token`: machines become the authority's without anybody's being there. */
export function registerCaToken(ca: Command, cli: Cli): void {
  const token = ca
    .command("token")
    .summary("make tokens by which machines join without anybody's being there")
    .description(
      "A machine that nobody owns, and whose config says where `petrify ca serve` is and has a join token, makes itself one of\n" +
        "the authority's: api.authority and api.join. A token is for so many machines, and for so long.",
    )
    .helpCommand(false);
  token
    .command("create")
    .summary("make a token, and print it: it is shown only once")
    .description("Makes a join token. What is stored of it is a digest; who has the token has a machine among yours.")
    .option("--uses <number>", "machines that it is for", parseUses, 1)
    .addOption(
      new Option("--ttl <time>", "how long it can be used: 30min, 24h, 720h").argParser(parseTtl).default(24 * 3600, "24h"),
    )
    .option("--label <text>", "what it is for, as `list` shows it")
    .addOption(secretsOption())
    .addHelpText(
      "after",
      "\nExamples:\n  petrify ca token create\n  petrify ca token create --uses 40 --ttl 720h --label 'shop 12'",
    )
    .action(cli.action(create));
  token
    .command("list")
    .summary("list the tokens, and the machines that have joined with each")
    .description("Prints the join tokens of the authority, without what is secret of them.")
    .addOption(secretsOption())
    .addHelpText("after", "\nExamples:\n  petrify ca token list\n  petrify ca token list --json | jq '.value.tokens[].joined'")
    .action(cli.action(list));
  token
    .command("revoke")
    .argument("<id>", "of the token: what is before its first dot")
    .summary("take a token back; machines that have joined with it stay")
    .description(
      "Forgets a join token and which machines have joined with it: their names are free for others then. A machine that has\n" +
        "joined stays the authority's: for its key `petrify ca deny` is.",
    )
    .addOption(secretsOption())
    .addHelpText("after", "\nExamples:\n  petrify ca token revoke 0badcafe")
    .action(cli.action(revoke));
}

async function create(context: CliContext, { uses, ttl, label, secrets }: CreateOptions): Promise<void> {
  const folder = resolve(context.cwd, secrets);
  const { authority } = await openSecrets(folder);
  const id = hex(context.random(4));
  const secret = Buffer.from(context.random(24)).toString("base64url");
  const fingerprint = keyFingerprint(new X509Certificate(authority.certificate).publicKey);
  const created = Math.floor(context.now());
  const stored: StoredToken = {
    ...{ format: 1, id, hash: hashOf(secret), created, until: created + ttl, uses, joined: [] },
    ...(label === undefined ? {} : { label }),
  };
  await storeToken(folder, stored);
  const token = formatJoinToken({ id, secret, authority: fingerprint });
  context.output.result({ token, id, uses, until: stored.until }, token);
}

async function list(context: CliContext, { secrets }: Secrets): Promise<void> {
  const folder = resolve(context.cwd, secrets);
  await openSecrets(folder);
  const tokens = (await storedTokens(folder)).map((token) => ({
    ...shownOf(token),
    state: context.now() >= token.until ? "expired" : token.joined.length >= token.uses ? "used up" : "open",
  }));
  const rows = tokens.map(({ id, state, joined, uses, until, label = "" }) => [
    ...[id, state, `${joined.length} of ${uses}`, timeText(until)],
    ...[joined.map(({ hostname }) => hostname).join(","), label],
  ]);
  const text =
    tokens.length === 0 ? "There are no tokens." : tableText(["ID", "STATE", "USED", "UNTIL (UTC)", "MACHINES", "LABEL"], rows);
  context.output.result({ tokens }, text);
}

/** Without its digest. */
const shownOf = ({ id, label, created, until, uses, joined }: StoredToken) => ({
  ...{ id, created, until, uses, joined },
  ...(label === undefined ? {} : { label }),
});

async function revoke(context: CliContext, id: string, { secrets }: Secrets): Promise<void> {
  const folder = resolve(context.cwd, secrets);
  await openSecrets(folder);
  const changed = await revokeToken(folder, id, context.signal);
  context.output.result({ id, changed }, changed ? `The token ${id} is taken back.` : `There is no token ${id}.`);
}

function parseUses(text: string): number {
  const uses = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (uses < 1 || uses > 10_000) throw new InvalidArgumentError("Write a number of machines, from 1 to 10000.");
  return uses;
}

function parseTtl(text: string): Seconds {
  const seconds = parseDuration(text) ?? 0;
  if (seconds >= 60 && seconds <= 366 * 24 * 3600) return seconds;
  throw new InvalidArgumentError("Write a time from 1min to 8784h, e.g. 24h.");
}
