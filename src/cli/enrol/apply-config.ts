import type { KeyObject } from "node:crypto";
import { resolve } from "node:path";
import type { Command } from "commander";
import { contextOf, nodeOf, knowNode, type NodePlace } from "../../client/contexts.ts";
import type { openMaintenance } from "../../client/open-maintenance.ts";
import { AppError } from "../../core/error.ts";
import { answersYes } from "../../host/ask.ts";
import { certificateText } from "../../host/certificates.ts";
import { readText } from "../../host/files.ts";
import { sha256 } from "../../host/sha256.ts";
import type { TlsCredentials } from "../../host/tls-client.ts";
import { shortLine } from "../../layout/short-line.ts";
import { documentTexts } from "../config/document-texts.ts";
import { FILES, readDocumentBytes } from "../config/document-bytes.ts";
import { readContexts, writeContexts } from "../contexts/context-file.ts";
import { credentialsOf } from "../nodes/credentials.ts";
import type { EnrolResponse } from "../../protocol/petrify/v1/enrolment_pb.ts";
import type { Cli, CliContext } from "../context.ts";
import { UsageError } from "../output.ts";
import { recoveryHashOf } from "../recovery-hash.ts";
import { secretsOf, type OpenSecrets } from "../secrets-folder.ts";

interface Options {
  readonly insecure?: boolean;
  readonly file?: readonly string[];
  readonly fingerprint?: string;
  readonly address?: string;
  readonly recoveryTokenFile?: string;
  readonly context?: string;
  /** False with `--no-wait`. */
  readonly wait: boolean;
}

/** `petrify apply-config --insecure NODE`: a machine that nobody owns gets an owner and a config. */
export function registerApplyConfig(program: Command, cli: Cli): void {
  program
    .command("apply-config")
    .argument("<node>", "the machine, by the name or the address by which you will call it")
    .summary("become the owner of a machine, and give it its config")
    .description(
      "Gives a machine that nobody owns yet the authority of the context, a certificate for its own key, and its machine\n" +
        "config: all of it or nothing. Such a machine believes whoever comes first, and shows a certificate that it has signed\n" +
        "itself: hence --insecure. Compare its key with the one on its console. It is pinned in the context from then on.\n" +
        "A machine that runs from memory (an install medium, the network) is installed to the disk that the config names\n" +
        "(install.device), with the same key; without a disk it has its owner until it restarts.",
    )
    .option("--insecure", "the machine has no owner, and cannot know you")
    .option("--file <file...>", FILES)
    .option("--fingerprint <fingerprint>", "of its key, from its console: nothing is asked then")
    .option("--recovery-token-file <file>", "for a machine that was given back by its recovery token: the file that has it")
    .option("--address <host[:port]>", "where it is reached (default: by its name, port 50000)")
    .option("--no-wait", "do not wait until a machine that is installed with it runs from its disk")
    .option("--context <name>", "whose machine it becomes (default: the context in use); it needs the authority's key")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify apply-config --insecure 192.0.2.7 --file machine.yaml\n" +
        "  petrify apply-config --insecure edge-7 --address 192.0.2.7 --file machine.yaml \\\n    --fingerprint SHA256:6jrVGNkbPXuKQYVYwWXcVsUQmxJqqqzU0PSTcVJ5Y1s",
    )
    .action(cli.action(applyConfig));
}

async function applyConfig(context: CliContext, node: string, options: Options): Promise<void> {
  const { insecure, file = [], fingerprint, address, recoveryTokenFile, context: named, wait } = options;
  if (!insecure) {
    throw new UsageError("USAGE", "apply-config is for a machine that nobody owns yet: --insecure says that you know", {
      hint: `petrify apply-config --insecure ${node}`,
    });
  }
  const { signal } = context;
  const contexts = await readContexts(context);
  const [inUse, found] = contextOf(contexts, named);
  const secrets = await secretsOf(inUse, found);
  const place = { ...nodeOf(found, address ?? node), name: node };
  // Before the machine is: a name that cannot be pinned is refused here.
  if (fingerprint !== undefined) knowNode(contexts, inUse, node, { key: fingerprint, address });
  const recoveryToken = recoveryTokenFile === undefined ? "" : await tokenIn(resolve(context.cwd, recoveryTokenFile));
  const recovery = (await recoveryHashOf(secrets)) ?? "";
  const documents = documentTexts(await readDocumentBytes({ cwd: context.cwd, input: context.terminal.input }, file));
  const { callError, openNode, unary } = await import("../../client/open-node.ts");
  const maintenance = await import("../../client/open-maintenance.ts");
  const key = fingerprint ?? nodeOf(found, node).fingerprint ?? (await askedKey(context, place, maintenance.openMaintenance));
  const pinned = knowNode(contexts, inUse, node, { key, address });

  const handOver = async (): Promise<{ readonly machine: string; readonly answer?: EnrolResponse }> => {
    await using connection = await maintenance.openMaintenance(place, key, signal);
    const { enrolment, shown } = connection;
    try {
      const described = await enrolment.describe({}, unary(signal));
      const hostname = described.machine?.hostname || node;
      const certificate = await certificateFor(context, secrets, {
        hostname,
        place,
        publicKey: spki(shown.certificate.publicKey),
      });
      const request = {
        ...{ documents, authorities: secrets.authorities, certificate, epoch: BigInt(secrets.epoch) },
        ...{ recovery, recoveryToken },
      };
      // Longer than a call that is answered at once: the config is compiled on the machine.
      return { machine: hostname, answer: await enrolment.enrol(request, { signal, timeoutMs: ENROL_MS }) };
    } catch (error) {
      signal.throwIfAborted();
      throw callError(place.name, error);
    }
  };
  /** Its answer may have been lost the last time: the config that was laid then may have changed its network. */
  const alreadyOurs = async (error: unknown): Promise<{ readonly machine: string; readonly answer?: never }> => {
    if (!(error instanceof AppError) || error.code !== "NODE_HUNG_UP") throw error;
    try {
      const credentials = await credentialsOf(inUse, found, context, context.now());
      await using connection = await openNode({ ...place, fingerprint: key }, credentials, () => {}, signal);
      return { machine: (await connection.node.version({}, unary(signal))).machine?.hostname || node };
    } catch {
      signal.throwIfAborted();
      throw new AppError(error.code, error.message, {
        hint: "It does so where it has an owner already: then it is called with certificates of that owner.",
        cause: error,
      });
    }
  };
  const { machine, answer } = await handOver().catch(alreadyOurs);
  if (pinned !== contexts) await writeContexts(context, pinned);
  const known = { node, hostname: machine, key, context: inUse };
  if (!answer) {
    const text = `${node} (${machine}) is yours already; its config is as it was.`;
    return context.output.result({ ...known, changed: false, problems: [], reboot: [] }, text);
  }
  const { generation, problems, reboot, installsTo } = answer;
  const value = { ...known, changed: true, problems, reboot };
  if (installsTo !== "") {
    const runs =
      wait &&
      (await installed(context, node, {
        credentials: async () => await credentialsOf(inUse, found, context, context.now()),
        key,
        place,
      }));
    const where = runs ? `runs from ${installsTo}` : wait ? `is installed on ${installsTo}` : `installs itself to ${installsTo}`;
    return context.output.result(
      { ...value, installsTo, runs },
      [
        `${node} (${machine}) ${where}, and is yours there: ${inUse} knows it by the key ${key}.`,
        `Next: ${runs ? "" : "once it runs from its disk, "}petrify -n ${node} status`,
      ]
        .map(shortLine)
        .join("\n"),
    );
  }
  context.output.result(
    { ...value, ...(generation === undefined ? {} : { generation: Number(generation) }) },
    [
      `${node} (${machine}) is yours: ${inUse} knows it by the key ${key}.`,
      ...(generation === undefined ? [] : [`Machine config ${generation} is being laid.`]),
      ...problems.map((problem) => `Not done: ${problem}`),
      ...reboot.map((what) => `After a restart: ${what}`),
      `Next: petrify -n ${node} status`,
    ]
      .map(shortLine)
      .join("\n"),
  );
}

async function tokenIn(path: string): Promise<string> {
  const text = await readText(path).catch((cause: NodeJS.ErrnoException) => {
    throw new AppError("FILE_UNREADABLE", `${path} cannot be read (${cause.code ?? cause.message})`, { cause });
  });
  const token = text.trim();
  if (token !== "" && token.length <= 100) return token;
  throw new AppError("RECOVERY_TOKEN_NEEDED", `${path} holds no recovery token`, {
    hint: "`petrify gen secrets` has written one: petrify-secrets/recovery-token",
  });
}

/** @returns whether it runs from its disk; nothing is left to wait for otherwise */
async function installed(
  { output, signal }: CliContext,
  node: string,
  {
    credentials,
    key,
    place,
  }: { readonly credentials: () => Promise<TlsCredentials>; readonly key: string; readonly place: NodePlace },
): Promise<boolean> {
  const [{ untilInstalled }, { openMaintenance: open }, { openNode }] = await Promise.all([
    import("../../client/follow-installation.ts"),
    import("../../client/open-maintenance.ts"),
    import("../../client/open-node.ts"),
  ]);
  let before = "";
  return await untilInstalled({
    ...{ node, signal },
    openUnowned: async () => await open(place, key, signal),
    open: async () => await openNode({ ...place, fingerprint: key }, await credentials(), () => {}, signal),
    told: ({ text, percent }) => {
      const said = { node, text, ...(percent === undefined ? {} : { percent }) };
      output.event({ type: "progress", ...said }, text === before ? undefined : shortLine(`${node}: ${text}`));
      before = text;
    },
  });
}

/** Of a config that is compiled on a slow machine; milliseconds. */
const ENROL_MS = 180_000;

/** @throws AppError `FINGERPRINT_MISSING` */
async function askedKey(
  { json, terminal, sinks, signal }: CliContext,
  place: NodePlace,
  look: typeof openMaintenance,
): Promise<string> {
  // A look, and no more: whoever answers is not believed yet.
  const first = await look(place, undefined, signal);
  const { fingerprint } = first.shown;
  await first[Symbol.asyncDispose]();
  const missing = (message: string): AppError =>
    new AppError("FINGERPRINT_MISSING", message, {
      hint: `If the console of ${place.name} shows the same key: --fingerprint ${fingerprint}`,
    });
  if (json || !terminal.input.isTTY) throw missing(`${place.name} shows the key ${fingerprint}, and there is nobody to ask`);
  sinks.err(`${place.name} shows the key ${fingerprint}\nIs that the one on its console? [y/N] `);
  if (!(await answersYes(terminal.input, signal, "no"))) throw missing("nothing was done");
  return fingerprint;
}

async function certificateFor(
  { random, now }: CliContext,
  { authority }: OpenSecrets,
  { hostname, place, publicKey }: { readonly hostname: string; readonly place: NodePlace; readonly publicKey: Uint8Array },
): Promise<string> {
  const { nodeCertificate } = await import("../../pki/certificate.ts");
  const names = { hostname, addresses: [place.host] };
  return certificateText(nodeCertificate(authority, { publicKey, names }, { sha256, random, now: now() }));
}

const spki = (key: KeyObject): Uint8Array => new Uint8Array(key.export({ type: "spki", format: "der" }));
