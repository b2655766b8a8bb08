/** @portable From the text of one document to what is good of it. */
import { MachineDocument } from "./document.ts";
import { canonical } from "./canonical.ts";
import { faultsOf, inOrder, refusal, wholeAround, type Fault, type Problem } from "./problems.ts";
import { readTree } from "./read-yaml.ts";
import { spelled } from "./spelling.ts";
import { toldPath } from "./told.ts";
import { emptyMap, plain, without, type MapTree } from "./tree.ts";

/** A document, read and checked. */
export interface ParsedDocument {
  readonly origin: string;
  /** What can be used of it, every value in the one form that documents are merged in. */
  readonly tree: MapTree;
  /** What is wrong, in the order of the text; all of it is missing from the tree. */
  readonly problems: readonly Problem[];
  /** What is right and without effect, or spelled in an older way. */
  readonly notes: readonly Problem[];
}

/**
 * Reads a machine config. Never throws: whoever is strict looks at the problems ({@link requireSound}), and at boot the rest is used, because a
 * machine that comes up without a part of its config can be mended, and one that does not come up cannot.
 *
 * @param origin how the document is called in messages
 */
export function parseDocument(data: string | Uint8Array, origin: string): ParsedDocument {
  const read = readTree(data, origin);
  if (!("kind" in read))
    return { origin, tree: emptyMap(origin), problems: [{ ...read, path: toldPath(read.path ?? []) }], notes: [] };
  const { tree, notes } = spelled(read);
  const { tree: sound, problems } = soundPart(tree);
  return { origin, tree: canonical(sound), problems, notes };
}

/** @throws AppError `MACHINE_CONFIG_INVALID` naming every problem */
export function requireSound(documents: readonly { readonly problems: readonly Problem[] }[]): void {
  const problems = documents.flatMap((document) => document.problems);
  if (problems.length > 0) throw refusal(problems);
}

/** Enough for what is only found once something else is gone. */
const ROUNDS = 20;
/** After so many, keys of the top level go as a whole: what hangs together in a long chain would fall one by one. */
const SMALL_ROUNDS = 15;
/** More are counted, not told. */
const TOLD = 200;

/** The tree without what is wrong in it. @param schema that it is held against */
export function soundPart(
  tree: MapTree,
  schema: typeof MachineDocument = MachineDocument,
): { readonly tree: MapTree; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  let rest: MapTree = tree;
  for (let round = 0; round < ROUNDS; round++) {
    const checked = schema.safeParse(plain(rest));
    if (checked.success) return { tree: rest, problems: inOrder(problems) };
    const faults = faultsOf(checked.error.issues.slice(0, TOLD * 10), rest);
    const removed = faults.flatMap(({ remove }) => (round < SMALL_ROUNDS ? wholeAround(remove, rest) : [remove.slice(0, 1)]));
    // What is missing now may be what was taken out before.
    if (round === 0 || !faults.every(isMissing))
      problems.push(...faults.filter((fault) => round === 0 || !isMissing(fault)).map(({ problem }) => problem));
    if (removed.some((path) => path.length === 0)) break;
    rest = without(rest, removed);
  }
  return { tree: emptyMap(tree.at.origin), problems: inOrder(problems) };
}
const isMissing = ({ problem }: Fault): boolean => problem.message === "is missing";
