/**
 * 4 KiB that look like a 64-bit kernel of this version to whoever reads its header, and hold nothing else.
 * Source: Linux, Documentation/arch/x86/boot.rst
 */
export function fakeKernel(version: string): Uint8Array {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  bytes[0x1f1] = 4; // setup sectors
  view.setUint16(0x1fe, 0xaa55, true);
  bytes.set(new TextEncoder().encode("HdrS"), 0x202);
  view.setUint16(0x206, 0x020f, true);
  view.setUint16(0x20e, 0x600, true); // the text's place, less 0x200
  bytes[0x211] = 1;
  view.setUint16(0x236, 1, true);
  bytes.set(new TextEncoder().encode(`${version} (builder@host) #1 SMP`), 0x800);
  return bytes;
}
