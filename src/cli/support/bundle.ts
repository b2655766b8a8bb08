/** The bundle itself: a gzipped tar with a folder for each machine. docs/concepts/support.md */
import { writeTar } from "../../host/tar-file.ts";
import { collectParts, type PartReport } from "./collect.ts";
import { SUPPORT_PARTS, type AskMachine } from "./parts.ts";

const FORMAT = 1;

export interface Collected {
  readonly folder: string;
  readonly parts: readonly PartReport[];
}
export interface SupportBundle extends AsyncDisposable {
  /** @param node whatever it is called @param failure what a call has failed with, as people can use it @throws the signal's reason, NodeJS.ErrnoException */
  readonly collect: (
    node: string,
    ask: AskMachine,
    failure: (error: unknown) => unknown,
    signal: AbortSignal,
  ) => Promise<Collected>;
  readonly finish: () => Promise<void>;
}

/** @param now seconds since 1970 @param clock milliseconds */
export async function openBundle(
  path: string,
  { now, clock }: { readonly now: number; readonly clock: () => number },
): Promise<SupportBundle> {
  const tar = await writeTar(path, Math.floor(now));
  const folders = new Set<string>();
  return {
    ...tar,
    collect: async (node, ask, failure, signal) => {
      const folder = `petrify-support/${folderName(node, folders)}`;
      const add = async (file: string, text: string): Promise<void> => await tar.add(`${folder}/${file}`, Buffer.from(text));
      const parts = await collectParts(SUPPORT_PARTS, { ask, add, failure, clock }, signal);
      const index = { format: FORMAT, node, made: new Date(now * 1000).toISOString(), parts };
      await add("index.json", `${JSON.stringify(index, undefined, 2)}\n`);
      return { folder, parts };
    },
  };
}

const LONGEST = 64;
/** Of a machine's name, which may be anything: one that any system can unpack, and no other machine has. */
function folderName(node: string, taken: Set<string>): string {
  const plain =
    node
      .replaceAll(/[^\w.-]/g, "_")
      .slice(0, LONGEST)
      .replace(/^\.+/, "_") || "_";
  let name = plain;
  for (let number = 2; taken.has(name); number++) name = `${plain}-${number}`;
  taken.add(name);
  return name;
}

/** `petrify-support-edge-7-20261123T012000Z.tar.gz` */
export function bundleName(what: string, now: number): string {
  const time = new Date(now * 1000).toISOString().slice(0, 19).replaceAll(/[-:]/g, "");
  return `petrify-support-${what.replaceAll(/[^\w.-]/g, "_").slice(0, LONGEST)}-${time}Z.tar.gz`;
}

/** What is not in the bundle, a line each. */
export const missingLines = (parts: readonly PartReport[]): string[] =>
  parts.flatMap(({ file, cut, error }) => {
    if (error) return [`${file}: ${error.message}`];
    return cut ? [`${file}: cut off`] : [];
  });
