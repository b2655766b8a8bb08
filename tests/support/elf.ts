/** The headers of an ELF file. Source: elf(5) */
export interface ElfForm {
  /** 1 object, 2 at a fixed address, 3 at any. */
  readonly type: number;
  /** Whether it names a loader. */
  readonly loader?: boolean;
  readonly bits?: 32 | 64;
  readonly big?: boolean;
}

/** With two program headers: one of what is loaded, and, if there is one, that of the loader's name. */
export function elf({ type, loader = false, bits = 64, big = false }: ElfForm): Buffer {
  const wide = bits === 64;
  const [header, entry] = wide ? [64, 56] : [52, 32];
  const bytes = Buffer.alloc(header + 2 * entry);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, big ? 2 : 1, 1]);
  view.setUint16(16, type, !big);
  if (wide) view.setBigUint64(32, BigInt(header), !big);
  else view.setUint32(28, header, !big);
  view.setUint16(wide ? 54 : 42, entry, !big);
  view.setUint16(wide ? 56 : 44, 2, !big);
  view.setUint32(header, 1, !big);
  view.setUint32(header + entry, loader ? 3 : 1, !big);
  return bytes;
}
