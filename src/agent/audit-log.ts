/** Writes the audit log of the machine, an entry at a time. docs/formats/audit.md */
import type { Sha256 } from "../core/digest.ts";
import { KiB, type Bytes } from "../core/units.ts";
import type { AuditFiles } from "../host/audit-files.ts";
import {
  AUDIT_FILES,
  AUDIT_FILE_SIZE,
  AUDIT_HEAD,
  AUDIT_HEAD_SIZE,
  AUDIT_LINE_SIZE,
  blankAudit,
  decodeAuditHead,
  EMPTY_AUDIT,
  encodeAuditEntry,
  encodeAuditHead,
  endOfAudit,
  usedOf,
  type AuditBytes,
  type AuditFields,
  type AuditPlace,
} from "../layout/audit-log.ts";

export interface AuditLog {
  /**
   * Durable when it returns. Never throws: a machine whose log cannot be written can still be mended over its API.
   *
   * @returns the number of the entry; nothing where it is not stored
   */
  readonly append: (fields: AuditFields) => Promise<number | undefined>;
  /** Why the last entry is not stored, a sentence; nothing where it is. */
  readonly failure: () => string | undefined;
  /** All of it, with no entry half written. @throws NodeJS.ErrnoException */
  readonly read: () => Promise<AuditBytes>;
}

export interface AuditEdge {
  readonly files: AuditFiles;
  /** Seconds since 1970. */
  readonly now: () => number;
  readonly sha256: Pick<Sha256, "digest">;
  /** Why entries are not stored: once, until they are again. */
  readonly alarm: (line: string) => void;
  /** What was stored, and under which number. */
  readonly told?: (fields: AuditFields, n: number) => void;
}

/** Of a machine that keeps nothing: a boot from memory, or one that resets it. */
export const noAuditLog: AuditLog = {
  append: async () => await Promise.resolve(undefined),
  failure: () => undefined,
  read: async () => await Promise.resolve({ files: [undefined, undefined], head: undefined }),
};

/** Nothing is read before the first entry. */
export function auditLog({ files, now, sha256, alarm, told }: AuditEdge): AuditLog {
  let place: AuditPlace | undefined;
  let failure: string | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = async <T>(body: () => Promise<T>): Promise<T> => {
    const mine = turn.then(body);
    turn = mine.catch(() => {});
    return await mine;
  };

  const put = async (at: AuditPlace, fields: AuditFields): Promise<AuditPlace> => {
    const { line, head } = encodeAuditEntry(fields, at.head, Math.floor(now()), sha256);
    await files.write(AUDIT_FILES[at.file], at.offset, line);
    await files.write(AUDIT_HEAD, 0, encodeAuditHead(head));
    return { ...at, offset: at.offset + line.length, head, torn: 0, closed: fields.is === "close" };
  };
  const begin = async (at: AuditPlace): Promise<AuditPlace> => {
    const file = at.closed ? ((1 - at.file) as 0 | 1) : at.file;
    await files.write(AUDIT_FILES[file], 0, blankAudit());
    return await put({ ...at, file, offset: 0, closed: false }, { is: "open", format: 1 });
  };

  /** Where the next entry goes. What is missing is made: the head first, for it is missed as soon as there are entries. */
  const prepare = async (): Promise<AuditPlace> => {
    const found = await files.read();
    const end = endOfAudit(found, sha256);
    const hasHead = found.head !== undefined && decodeAuditHead(found.head) !== undefined;
    if (!hasHead) await files.make(AUDIT_HEAD, encodeAuditHead(end?.head ?? EMPTY_AUDIT));
    for (const [index, name] of AUDIT_FILES.entries()) if (!found.files[index]) await files.make(name, blankAudit());
    const at = end ?? { file: 0, offset: 0, head: EMPTY_AUDIT, torn: 0, closed: false };
    if (at.offset === 0 && at.torn === 0 && at.head.n === 0) return await begin(at);
    if (at.torn > 0) await files.write(AUDIT_FILES[at.file], at.offset, new Uint8Array(at.torn).fill(0x0a));
    const bytes = at.torn + (hasHead ? 0 : AUDIT_HEAD_SIZE);
    if (at.closed) return bytes > 0 ? await put(await begin(at), { is: "mended", bytes }) : await begin(at);
    const opened = at.offset === 0 ? await begin(at) : at;
    return bytes > 0 ? await put(opened, { is: "mended", bytes }) : opened;
  };

  return {
    failure: () => failure,
    read: async () => await inTurn(files.read),
    append: async (fields) =>
      await inTurn(async () => {
        try {
          let at = place ?? (await prepare());
          // Room for this one, and for the last one of the file.
          if (at.offset > AUDIT_FILE_SIZE - 2 * AUDIT_LINE_SIZE) at = await begin(await put(at, { is: "close" }));
          place = await put(at, fields);
          failure = undefined;
          told?.(fields, place.head.n);
          return place.head.n;
        } catch (error) {
          place = undefined; // whatever was written of it is looked at anew
          const line = `the audit log of this machine cannot be written: ${(error as Error).message}`;
          if (line !== failure) alarm(line);
          failure = line;
          return undefined;
        }
      }),
  };
}

/** Some of a file of the log. */
export interface AuditPiece {
  readonly file: string;
  /** Of the whole file, in bytes: what no piece has of it are ends of lines. */
  readonly size: Bytes;
  readonly offset: Bytes;
  /** Base64: what is damaged may be anything. */
  readonly data: string;
}
const PIECE: Bytes = 48 * KiB;

/** All of the log, as it is handed out. */
export async function* auditPieces(log: AuditLog): AsyncGenerator<AuditPiece> {
  const { files, head } = await log.read();
  for (const [index, bytes] of [head, ...files].entries()) {
    if (!bytes) continue;
    const file = [AUDIT_HEAD, ...AUDIT_FILES][index]!;
    const used = usedOf(bytes);
    for (let offset = 0; offset === 0 || offset < used; offset += PIECE) {
      const data = Buffer.from(bytes.subarray(offset, Math.min(used, offset + PIECE))).toString("base64");
      yield { file, size: bytes.length, offset, data };
    }
  }
}
