/** A tree of files as a tar whose owners, modes and attributes a test decides: no root is needed. */
import { entry, END, type Written } from "./tar.ts";

export interface TarEntry {
  /** A folder ends with a slash. */
  readonly path: string;
  /** Default: a file, or a link where there is a target. */
  readonly type?: "hard link" | "character" | "block" | "fifo";
  readonly data?: string | Uint8Array;
  readonly target?: string;
  /** Default: 0644 for files, 0755 else. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly attributes?: Readonly<Record<string, string | Uint8Array>>;
  readonly device?: readonly [major: number, minor: number];
}

const FLAGS = { file: "0", "hard link": "1", link: "2", character: "3", block: "4", folder: "5", fifo: "6" } as const;
/** The largest id that a field of the header holds. */
const LARGEST_ID = 0o7777777;

export const tarOf = (entries: readonly TarEntry[]): Uint8Array =>
  Buffer.concat([...entries.map((one) => entry(written(one))), END]);

function written({ path, type, data = "", target = "", mode, uid = 0, gid = 0, attributes = {}, device }: TarEntry): Written {
  const kind = type ?? (path.endsWith("/") ? "folder" : target === "" ? "file" : "link");
  const [name, to] = [latin(path), latin(target)];
  const pax = {
    ...(name.length > 100 ? { path: name } : {}),
    ...(to.length > 100 ? { linkpath: to } : {}),
    ...(uid > LARGEST_ID ? { uid: String(uid) } : {}),
    ...(gid > LARGEST_ID ? { gid: String(gid) } : {}),
    ...Object.fromEntries(Object.entries(attributes).map(([key, value]) => [`SCHILY.xattr.${key}`, value])),
  };
  return {
    ...{ name, target: to, flag: FLAGS[kind], data: Buffer.from(data), mode: mode ?? (kind === "file" ? 0o644 : 0o755) },
    ...{ uid: uid & LARGEST_ID, gid: gid & LARGEST_ID },
    ...(device ? { device } : {}),
    ...(Object.keys(pax).length > 0 ? { pax } : {}),
  };
}

/** UTF-8, as its bytes are written. */
const latin = (text: string): string => Buffer.from(text).toString("latin1");
