import { resolve } from "node:path";
import type { Command } from "commander";
import { AppError } from "../core/error.ts";
import { formatSize } from "../core/units.ts";
import { readText } from "../host/files.ts";
import { parsePublicKey } from "../layout/public-key.ts";
import { listReleases, type ListedRelease, type ListedReleases } from "../registry/list-releases.ts";
import { ARCHITECTURE } from "../release/manifest.ts";
import type { Cli, CliContext } from "./context.ts";
import { hasColours } from "./has-colours.ts";
import { addStoreOptions, openNamedStore, type StoreOptionsOfUser } from "./named-store.ts";

interface ReleasesOptions extends StoreOptionsOfUser {
  readonly all?: boolean;
  readonly key?: readonly string[];
}

export function registerReleases(program: Command, cli: Cli): void {
  const command = program
    .command("releases")
    .argument("<repository>", "REGISTRY/REPOSITORY, oci:FOLDER")
    .summary("list the releases of a repository")
    .description(
      "Lists releases, the newest first: tags, version, when it was made and when it expires, channel, what\n" +
        "a machine fetches that has nothing of it, from which versions there are deltas, and whose keys have\n" +
        "signed it. Keys are known from the releases themselves and from --key; that one has signed does not\n" +
        "say that anybody trusts it: `petrify verify` does.",
    )
    .option("--all", "list tags that lead to something else, too")
    .option("--key <file...>", "public keys (PEM) to recognise signers by");
  addStoreOptions(command)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify releases registry.example/team/os\n  petrify releases oci:/media/usb/os --all\n" +
        "  petrify releases registry.example/team/os --json | jq -r '.value.releases[0].version'",
    )
    .action(cli.action(releases));
}

async function releases(
  context: CliContext,
  name: string,
  { all = false, key = [], ...options }: ReleasesOptions,
): Promise<void> {
  const { cwd, progress, signal, output } = context;
  using named = await openNamedStore(name, context, options);
  if (named.reference.tag !== undefined || named.reference.digest !== undefined)
    throw new AppError("REFERENCE_INVALID", `${name} names one image`, {
      hint: "Leave out the tag: releases are those of the whole repository.",
    });
  const keys = await Promise.all(
    key.map(async (file) => {
      const text = await readText(resolve(cwd, file)).catch((cause: unknown) => {
        throw new AppError("KEY_INVALID", `${file} cannot be read`, { hint: "Name a .pub file.", cause });
      });
      return parsePublicKey(text, file);
    }),
  );
  const found = await progress.step("look at the tags", async (note) => {
    const tell = (done: number, of: number): void => note(`${done} of ${of}`);
    return await listReleases(named.store, { architecture: ARCHITECTURE, keys, signal, progress: tell });
  });
  const { others, ...rest } = found;
  output.result(
    { repository: named.store.origin, ...rest, ...(all ? { others } : { others: others.length }) },
    releasesText(named.store.origin, found, {
      all,
      dim: hasColours(context) ? (text) => `\x1b[2m${text}\x1b[22m` : (text) => text,
    }),
  );
}

const HEADS = ["tags", "version", "created", "channel", "expires", "size", "deltas from", "signed by"] as const;
const SHOWN_DELTAS = 3;
const SHORT_ID = 12;

function releasesText(
  origin: string,
  { releases: found, others, cut }: ListedReleases,
  { all, dim }: { readonly all: boolean; readonly dim: (text: string) => string },
): string {
  const names = new Set(found.map(({ name }) => name));
  const rows = found.map((release) => [
    release.tags.join(", "),
    names.size > 1 ? `${release.name} ${release.version}` : release.version,
    dateOf(release.created),
    release.channel ?? "-",
    release.expires === undefined ? "-" : dateOf(release.expires),
    formatSize(release.size),
    deltasOf(release),
    signersText(release),
  ]);
  const lines = found.length === 0 ? [`There are no releases in ${origin}.`] : table([HEADS, ...rows]);
  if (all) lines.push(...others.map(({ tag, what }) => dim(`${shown(tag)}  ${shown(what)}`)));
  else if (others.length > 0)
    lines.push(dim(`${others.length} more tag${others.length === 1 ? "" : "s"} of something else (--all lists them)`));
  if (cut) lines.push(dim("There are more tags than are looked at."));
  return lines.join("\n");
}

/** The day, in UTC. */
const dateOf = (seconds: number): string => {
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? "?" : time.toISOString().slice(0, 10);
};

function deltasOf({ deltas }: ListedRelease): string {
  const texts = deltas.map(
    ({ fromVersion, size }) => `${fromVersion ?? "?"}${size === undefined ? "" : ` (${formatSize(size)})`}`,
  );
  const more = texts.length - SHOWN_DELTAS;
  return texts.length === 0 ? "-" : [...texts.slice(0, SHOWN_DELTAS), ...(more > 0 ? [`${more} more`] : [])].join(", ");
}

function signersText({ signatures: { found, by } }: ListedRelease): string {
  if (by.length > 0) return by.map((id) => id.slice(0, SHORT_ID)).join(", ");
  return found === 0 ? "nobody" : "keys that are not known";
}

function table(rows: readonly (readonly string[])[]): string[] {
  const clean = rows.map((row) => row.map(shown));
  const widths = HEADS.map((_, column) => Math.max(...clean.map((row) => row[column]!.length)));
  return clean.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}

/** Of a stranger: no controls of a terminal. */
const shown = (text: string): string => text.replaceAll(/[^\x20-\x7e\u00a0-\u{10ffff}]+/gu, " ").slice(0, 200);
