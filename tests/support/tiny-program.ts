const AT = 0x40_0000;
const [HEADER, SEGMENT] = [64, 56];

/**
 * What the program does, with system calls alone: appends the line `ran` to `/data/ran`, waits for SIGTERM, and ends.
 *
 *     open("/data/ran", O_WRONLY | O_CREAT | O_APPEND, 0644); write(…, "ran\n", 4);
 *     rt_sigprocmask(SIG_BLOCK, {SIGTERM}); rt_sigtimedwait({SIGTERM}); exit_group(0)
 */
const CODE = Buffer.from(
  [
    "b802000000488d3d62000000be41040000baa40100000f05", // open
    "89c7b801000000488d3552000000ba040000000f05", // write
    "b80e00000031ff488d352b00000031d241ba080000000f05", // rt_sigprocmask
    "b880000000488d3d1500000031f631d241ba080000000f05", // rt_sigtimedwait
    "b8e700000031ff0f05", // exit_group
    "0040000000000000", // the set with SIGTERM
    "2f646174612f72616e0072616e0a", // "/data/ran\0", "ran\n"
  ].join(""),
  "hex",
);

/** A program for Linux on x86-64 that needs nothing beside it: of some 250 bytes. Source: elf(5) */
export function tinyProgram(): Uint8Array {
  const file = Buffer.alloc(HEADER + SEGMENT + CODE.length);
  file.write("\x7fELF\x02\x01\x01", 0, "latin1"); // 64 bits, little-endian
  file.writeUInt16LE(2, 16); // an executable
  file.writeUInt16LE(62, 18); // for x86-64
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(AT + HEADER + SEGMENT), 24); // where it begins
  file.writeBigUInt64LE(BigInt(HEADER), 32); // where the segments are described
  file.writeUInt16LE(HEADER, 52);
  file.writeUInt16LE(SEGMENT, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, HEADER); // is loaded
  file.writeUInt32LE(5, HEADER + 4); // read, executed
  file.writeBigUInt64LE(BigInt(AT), HEADER + 16);
  file.writeBigUInt64LE(BigInt(AT), HEADER + 24);
  file.writeBigUInt64LE(BigInt(file.length), HEADER + 32);
  file.writeBigUInt64LE(BigInt(file.length), HEADER + 40);
  file.writeBigUInt64LE(0x1000n, HEADER + 48);
  CODE.copy(file, HEADER + SEGMENT);
  return file;
}
