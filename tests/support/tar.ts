/** Writes archives as strangers do: nothing is checked, so that every mistake can be made. */
import { alignUp } from "../../src/core/units.ts";

export interface Written {
  readonly name: string;
  /** Default: a file. */
  readonly flag?: string;
  readonly target?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly data?: string | Uint8Array;
  /** What the header says; default: what is there. */
  readonly size?: number;
  readonly device?: readonly [number, number];
  /** Records of an extended header before it. */
  readonly pax?: Readonly<Record<string, string | Uint8Array>>;
  /** `ustar\0` + `00` by default. */
  readonly magic?: string;
  readonly prefix?: string;
  /** Bytes that are put over the header, by their place; the checksum is made after that. */
  readonly over?: Readonly<Record<number, string>>;
}

const latin = (text: string): Uint8Array => Buffer.from(text, "latin1");

export function header(written: Written): Uint8Array {
  const { name, flag = "0", target = "", mode = 0o644, uid = 0, gid = 0, mtime = 1_700_000_000, device, prefix = "" } = written;
  const { magic = "ustar\x0000", size = dataOf(written).length, over = {} } = written;
  const block = Buffer.alloc(512);
  const octal = (at: number, length: number, value: number): number =>
    block.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
  block.write(name, 0, 100, "latin1");
  octal(100, 8, mode);
  octal(108, 8, uid);
  octal(116, 8, gid);
  octal(124, 12, size);
  octal(136, 12, mtime);
  block.write(flag, 156, "latin1");
  block.write(target, 157, 100, "latin1");
  block.write(magic, 257, "latin1");
  if (device) {
    octal(329, 8, device[0]);
    octal(337, 8, device[1]);
  }
  block.write(prefix, 345, 155, "latin1");
  for (const [at, text] of Object.entries(over)) block.write(text, Number(at), "latin1");
  return withChecksum(block);
}

export function withChecksum(block: Uint8Array): Uint8Array {
  const bytes = Buffer.from(block);
  bytes.fill(" ", 148, 156);
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}

const dataOf = ({ data = "" }: Written): Uint8Array => (typeof data === "string" ? latin(data) : data);
export const padded = (bytes: Uint8Array): Uint8Array =>
  Buffer.concat([bytes, Buffer.alloc(alignUp(bytes.length, 512) - bytes.length)]);

/** The text of pax records. */
export function records(pairs: Readonly<Record<string, string | Uint8Array>>): Uint8Array {
  return Buffer.concat(
    Object.entries(pairs).map(([key, value]) => {
      const rest = Buffer.concat([latin(` ${key}=`), typeof value === "string" ? latin(value) : value, latin("\n")]);
      let length = rest.length + 1;
      while (String(length).length + rest.length !== length) length++;
      return Buffer.concat([latin(String(length)), rest]);
    }),
  );
}

/** An entry of any type with its content; with `pax`, an extended header comes first. */
export function entry(written: Written): Uint8Array {
  const before = written.pax ? entry({ name: "PaxHeaders/x", flag: "x", data: records(written.pax) }) : new Uint8Array(0);
  return Buffer.concat([before, header(written), padded(dataOf(written))]);
}

export const END: Uint8Array = new Uint8Array(1024);

export const tar = (...entries: readonly (Written | Uint8Array)[]): Uint8Array =>
  Buffer.concat([...entries.map((part) => (part instanceof Uint8Array ? part : entry(part))), END]);

export const folder = (name: string, more: Partial<Written> = {}): Written => ({
  name: `${name}/`,
  flag: "5",
  mode: 0o755,
  ...more,
});
export const file = (name: string, data: string | Uint8Array = "", more: Partial<Written> = {}): Written => ({
  name,
  data,
  ...more,
});
export const symlink = (name: string, target: string, more: Partial<Written> = {}): Written => ({
  name,
  target,
  flag: "2",
  mode: 0o777,
  ...more,
});
export const hardLink = (name: string, target: string, more: Partial<Written> = {}): Written => ({
  name,
  target,
  flag: "1",
  ...more,
});
