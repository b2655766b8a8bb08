/** Asks one machine for the parts of a bundle, a few at a time, and takes secrets out of what it says. docs/concepts/support.md */
import { errorDocument, type ErrorDocument } from "../../core/error.ts";
import { MiB, type Bytes } from "../../core/units.ts";
import { redact, redactJson } from "../../layout/redact.ts";
import { forEachAtOnce } from "../../registry/at-once.ts";
import type { AskMachine, SupportPart } from "./parts.ts";

export interface SupportLimits {
  /** Of one part, before anything is packed. */
  readonly partBytes: Bytes;
  readonly allBytes: Bytes;
  /** Of all parts. */
  readonly allMs: number;
}
export const LIMITS: SupportLimits = { partBytes: 8 * MiB, allBytes: 48 * MiB, allMs: 300_000 };
/** A machine has its own work to do. */
const AT_ONCE = 3;

/** What has become of a part. */
export interface PartReport {
  readonly file: string;
  readonly bytes: Bytes;
  readonly tookMs: number;
  /** There was more of it. */
  readonly cut?: true;
  /** Why it is not there, or not all of it. */
  readonly error?: ErrorDocument;
}

const jsonText = ({ json, onOneLine }: { readonly json: object; readonly onOneLine?: true }): string =>
  `${JSON.stringify(redactJson(json), undefined, onOneLine ? 0 : 2)}\n`;

/**
 * @param add called once a part is there
 * @param failure what a call has failed with, as people can use it
 * @param clock milliseconds
 * @returns in the order of the parts @throws the signal's reason; what `add` throws
 */
export async function collectParts(
  parts: readonly SupportPart[],
  {
    ask,
    add,
    failure,
    clock,
    limits = LIMITS,
  }: {
    readonly ask: AskMachine;
    readonly add: (file: string, text: string) => Promise<void>;
    readonly failure: (error: unknown) => unknown;
    readonly clock: () => number;
    readonly limits?: SupportLimits;
  },
  signal: AbortSignal,
): Promise<readonly PartReport[]> {
  const reports = new Map<string, PartReport>();
  const end = AbortSignal.timeout(limits.allMs);
  let left = limits.allBytes;
  await forEachAtOnce(parts, AT_ONCE, signal, async ({ file, limitMs, texts }, stop) => {
    const began = clock();
    const limit = AbortSignal.any([stop, end, AbortSignal.timeout(limitMs)]);
    const kept: string[] = [];
    let bytes = 0;
    let isText = false;
    let fate: Pick<PartReport, "cut" | "error"> = {};
    try {
      for await (const piece of texts(ask, limit)) {
        const text = "text" in piece ? piece.text : jsonText(piece);
        isText ||= "text" in piece;
        const size = Buffer.byteLength(text);
        if (bytes + size > limits.partBytes || size > left) {
          fate = { cut: true };
          break;
        }
        bytes += size;
        left -= size;
        kept.push(text);
      }
    } catch (error) {
      stop.throwIfAborted();
      const { code, message } = errorDocument(failure(error));
      fate = {
        error: limit.aborted
          ? { code: "TOO_LONG", message: `it was not there after ${Math.round((clock() - began) / 1000)} s` }
          : { code, message: redact(message) },
      };
    }
    // As a whole: a key that is logged line by line is none in any one of them.
    const text = isText ? redact(kept.join("")) : kept.join("");
    if (text !== "" || !fate.error) await add(file, text);
    reports.set(file, { file, bytes: Buffer.byteLength(text), tookMs: Math.round(clock() - began), ...fate });
  });
  return parts.flatMap(({ file }) => reports.get(file) ?? []);
}
