import { resolve } from "node:path";
import { Option, type Command } from "commander";
import { addContext, contextOf, knowNode, removeContext, setEndpoints, useContext, type Context } from "../../client/contexts.ts";
import { timeText } from "../../core/date-text.ts";
import { AppError } from "../../core/error.ts";
import { certificatesIn } from "../../host/certificates.ts";
import { readText } from "../../host/files.ts";
import { ROLES, identityOf, isIdentityName, type Role } from "../../pki/identity.ts";
import type { Cli, CliContext } from "../context.ts";
import { UsageError } from "../output.ts";
import { openSecrets } from "../secrets-folder.ts";
import { tableText } from "../table.ts";
import { contextFile, readContexts, writeContexts } from "./context-file.ts";
import { registerContextNodes } from "./nodes.ts";

/** `petrify context`: which machines a person looks after, and as whom. */
export function registerContext(program: Command, cli: Cli): void {
  const contexts = program
    .command("context")
    .summary("choose the machines that commands are for, and as whom you call them")
    .description(
      "A context is an authority whose machines you call, the certificate that you call them with, and the keys of machines\n" +
        "that were pinned. They are kept in ~/.config/petrify/contexts.json, which only you may read.",
    )
    .helpCommand(false);
  for (const register of [
    registerAdd,
    registerUse,
    registerList,
    registerRemove,
    registerPin,
    registerEndpoint,
    registerContextNodes,
  ])
    register(contexts, cli);
}

interface AddOptions {
  readonly secrets?: string;
  readonly user?: string;
  readonly role: Role;
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
}

function registerAdd(contexts: Command, cli: Cli): void {
  contexts
    .command("add")
    .argument("<name>", "of the context")
    .summary("add a context; the first one is in use at once")
    .description(
      "Adds a context. With --secrets, a certificate is made for each command, of the authority in that folder, so that none\n" +
        "of yours ever expires. Else name the files that somebody with such a folder has made for you.",
    )
    .option("--secrets <folder>", "of `petrify gen secrets`")
    .option("--user <name>", "who you are to the machines, with --secrets (default: $USER)")
    .addOption(new Option("--role <role>", "what you may do, with --secrets").choices(ROLES).default("admin"))
    .option("--ca <file>", "certificates of the authorities")
    .option("--certificate <file>", "your certificate")
    .option("--key <file>", "its key")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify context add edge --secrets petrify-secrets\n" +
        "  petrify context add edge --ca ca.pem --certificate alice.pem --key alice.key",
    )
    .action(
      cli.action(async (context, name: string, options: AddOptions) => {
        const before = await readContexts(context);
        const after = addContext(before, name, await newContext(context, options));
        await writeContexts(context, after);
        const inUse = after.current === name;
        context.output.result(
          { name, inUse, file: contextFile(context) },
          inUse ? `Added ${name}, which is in use.` : `Added ${name}.\nNext: petrify context use ${name}`,
        );
      }),
    );
}

async function newContext(context: CliContext, options: AddOptions): Promise<Context> {
  const { secrets, user = context.env["USER"] ?? "admin", role, ca, certificate, key } = options;
  if (secrets !== undefined) {
    if (ca ?? certificate ?? key) throw new UsageError("USAGE", "--secrets stands for --ca, --certificate and --key");
    if (!isIdentityName(user))
      throw new AppError("NAME_INVALID", `${JSON.stringify(user)} is no name for a certificate`, {
        hint: "Name yourself: --user NAME",
      });
    const folder = resolve(context.cwd, secrets);
    const { authorities } = await openSecrets(folder);
    return { authorities, credentials: { secrets: folder, user, role }, nodes: {} };
  }
  if (ca === undefined || certificate === undefined || key === undefined) {
    throw new UsageError("USAGE", "a context needs --secrets, or --ca, --certificate and --key", {
      hint: "See `petrify context add --help`.",
    });
  }
  const read = async (file: string): Promise<string> => {
    const path = resolve(context.cwd, file);
    return await readText(path).catch((cause: NodeJS.ErrnoException) => {
      throw new AppError("FILE_UNREADABLE", `${path} cannot be read (${cause.code ?? cause.message})`, { cause });
    });
  };
  const [authorities, own, ownKey] = [await read(ca), await read(certificate), await read(key)];
  for (const [file, text] of [
    [ca, authorities],
    [certificate, own],
  ] as const) {
    if (certificatesIn(text).length === 0) throw new AppError("CERTIFICATE_INVALID", `${file} holds no certificate (PEM)`);
  }
  return { authorities, credentials: { certificate: own, key: ownKey }, nodes: {} };
}

function registerUse(contexts: Command, cli: Cli): void {
  contexts
    .command("use")
    .argument("<name>", "of the context")
    .summary("use a context from now on")
    .description("Makes a context the one that commands are for which name none (--context).")
    .addHelpText("after", "\nExamples:\n  petrify context use edge")
    .action(
      cli.action(async (context, name: string) => {
        const before = await readContexts(context);
        const after = useContext(before, name);
        if (after !== before) await writeContexts(context, after);
        context.output.result({ name, changed: after !== before }, `${name} is in use.`);
      }),
    );
}

function registerList(contexts: Command, cli: Cli): void {
  contexts
    .command("list")
    .summary("list the contexts")
    .description(
      "Prints the contexts: which one is in use, who you are in each and for how long, and how many machines it knows. Prints no key.",
    )
    .addHelpText("after", "\nExamples:\n  petrify context list\n  petrify context list --json | jq -r '.value.contexts[].name'")
    .action(
      cli.action(async (context) => {
        const file = await readContexts(context);
        const found = Object.entries(file.contexts).map(([name, { credentials, nodes, endpoints = [] }]) => ({
          ...{ name, inUse: name === file.current },
          ...("secrets" in credentials ? credentials : ownerOf(credentials.certificate)),
          endpoints,
          nodes: Object.entries(nodes).map(([node, { address = node, key }]) => ({
            name: node,
            address,
            ...(key === undefined ? {} : { key }),
          })),
        }));
        const rows = found.map(({ name, inUse, nodes, ...rest }) => [
          ...[inUse ? "*" : "", name, asText(rest, context.now())],
          String(nodes.length),
        ]);
        const text =
          rows.length > 0
            ? tableText(["", "NAME", "AS", "NODES"], rows)
            : "there are no contexts; add one with `petrify context add`";
        context.output.result({ contexts: found }, text);
      }),
    );
}

interface Owner {
  readonly user?: string;
  readonly role?: Role;
  /** Seconds since 1970. Certificates that are made for each command have no end that anybody would have to know. */
  readonly until?: number;
}
/** Whose a certificate is, as far as it says so. */
function ownerOf(certificate: string): Owner {
  const [own] = certificatesIn(certificate);
  const identity = own && identityOf({ ...own.toLegacyObject().subject });
  return {
    ...(identity ? { user: identity.name, role: identity.role } : {}),
    ...(own ? { until: own.validToDate.getTime() / 1000 } : {}),
  };
}

function asText({ user, role, until }: Owner, now: number): string {
  const who = user === undefined ? "by certificate" : `${user} (${role})`;
  if (until === undefined) return who;
  return `${who}, ${until > now ? "until" : "over since"} ${timeText(until)} UTC`;
}

function registerRemove(contexts: Command, cli: Cli): void {
  contexts
    .command("remove")
    .argument("<name>", "of the context")
    .summary("forget a context, with the keys that are pinned in it")
    .description("Removes a context from the file. Folders that it names, and machines, are left alone.")
    .addHelpText("after", "\nExamples:\n  petrify context remove edge")
    .action(
      cli.action(async (context, name: string) => {
        await writeContexts(context, removeContext(await readContexts(context), name));
        context.output.result({ name, changed: true }, `Removed ${name}.`);
      }),
    );
}

interface PinOptions {
  readonly key: string;
  readonly address?: string;
  readonly context?: string;
}

function registerPin(contexts: Command, cli: Cli): void {
  contexts
    .command("pin")
    .argument("<node>", "name by which you call the machine")
    .summary("remember the key of a machine, and where it is reached")
    .description(
      "Remembers the key by which a machine is known from now on, whatever its certificate says. Take the fingerprint from\n" +
        "the machine itself: `petrify status` shows it there. A key that was pinned before is replaced.",
    )
    .requiredOption("--key <fingerprint>", "SHA256:…")
    .option("--address <host[:port]>", "where it is reached (default: by its name, port 50000)")
    .option("--context <name>", "in this context (default: the one in use)")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify context pin edge-7 --address 192.0.2.7 --key SHA256:6jrVGNkbPXuKQYVYwWXcVsUQmxJqqqzU0PSTcVJ5Y1s",
    )
    .action(
      cli.action(async (context, node: string, { key, address, context: named }: PinOptions) => {
        const before = await readContexts(context);
        const [name] = contextOf(before, named);
        const after = knowNode(before, name, node, { key, address });
        if (after !== before) await writeContexts(context, after);
        context.output.result(
          { context: name, node, key, changed: after !== before },
          `${name} knows ${node} by the key ${key}.`,
        );
      }),
    );
}

interface EndpointOptions {
  readonly none?: true;
  readonly context?: string;
}

function registerEndpoint(contexts: Command, cli: Cli): void {
  contexts
    .command("endpoint")
    .argument("[nodes...]", "by name or address, the preferred one first")
    .summary("reach the machines of a context through one of them")
    .description(
      "Reaches all other machines through the first of these that answers, where they cannot be reached directly. An endpoint\n" +
        "passes on what it cannot read: each machine is known by its own key, and knows you by your certificate.",
    )
    .option("--none", "reach them directly again")
    .option("--context <name>", "of this context (default: the one in use)")
    .addHelpText("after", "\nExamples:\n  petrify context endpoint edge-1 edge-2\n  petrify context endpoint --none")
    .action(
      cli.action(async (context, nodes: readonly string[], { none, context: named }: EndpointOptions) => {
        if (nodes.length > 0 === (none ?? false)) throw new UsageError("USAGE", "name the endpoints, or take --none");
        const before = await readContexts(context);
        const [name] = contextOf(before, named);
        const after = setEndpoints(before, name, nodes);
        if (after !== before) await writeContexts(context, after);
        const text = nodes.length > 0 ? `reaches its machines through ${nodes.join(", ")}` : "reaches its machines directly";
        context.output.result({ context: name, endpoints: nodes, changed: after !== before }, `${name} ${text}.`);
      }),
    );
}
