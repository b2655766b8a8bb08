/** What a source brings, document by document, and what counts in place of one that cannot be read. */
import { readSource, type SourceDocument } from "../../config/machine/sources/source-document.ts";
import type { ConfigDocument } from "../config/generation-files.ts";

export interface Brought extends SourceDocument {
  /** It was said the last time. */
  readonly isKept: boolean;
}
/** What a file comes to: a document, why it is none, or nothing. */
export type Turn = (bytes: Uint8Array, origin: string) => { readonly text: string } | { readonly problem: string } | undefined;

export interface SourceFindings {
  /** Lowest first. */
  readonly brought: readonly Brought[];
  /** A sentence each; none tells a secret. */
  readonly problems: readonly string[];
  /** It is to be asked over the network, or was, and nothing of it is known yet. */
  readonly isAwaited: boolean;
  /** Where it is, for people: a device. */
  readonly place: string | undefined;
}
export interface Collector extends SourceFindings {
  brought: Brought[];
  readonly problems: string[];
  isAwaited: boolean;
  place: string | undefined;
  /** What came from a place of the machine's own. What cannot be read is told, and nothing is in its place. */
  readonly add: (bytes: Uint8Array, origin: string) => void;
  /** What came from outside. What cannot be read is as good as not said. @param turn of what is no document as it comes */
  readonly addOutside: (bytes: Uint8Array, origin: string, turn?: Turn) => void;
  /** Somebody could not be heard. @returns whether what was said the last time counts */
  readonly missed: (problem: string, origin: string) => boolean;
  /** What was said the last time under these origins. @returns whether there is any */
  readonly keep: (isOf: (origin: string) => boolean) => boolean;
}

/** @param kept documents that this machine has now */
export function collector(kept: readonly ConfigDocument[]): Collector {
  const push = (bytes: Uint8Array, origin: string, isKept: boolean): boolean => {
    const read = readSource(bytes, origin);
    if (read && "problem" in read) found.problems.push(read.problem);
    else if (read) found.brought.push({ ...read, isKept });
    return !read || !("problem" in read);
  };
  const found: Collector = {
    ...{ brought: [], problems: [], isAwaited: false, place: undefined },
    add: (bytes, origin) => void push(bytes, origin, false),
    addOutside: (bytes, origin, turn) => {
      const turned = turn ? turn(bytes, origin) : { bytes };
      if (!turned) return;
      if ("problem" in turned) return void found.missed(turned.problem, origin);
      const document = "bytes" in turned ? turned.bytes : new TextEncoder().encode(turned.text);
      if (!push(document, origin, false)) found.keep((one) => one === origin);
    },
    missed: (problem, origin) => {
      found.problems.push(problem);
      return found.keep((one) => one === origin);
    },
    keep: (isOf) => {
      const documents = kept.filter(({ origin }) => isOf(origin));
      for (const { origin, text } of documents) push(new TextEncoder().encode(text), origin, true);
      return documents.length > 0;
    },
  };
  return found;
}
