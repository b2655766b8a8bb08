/** The files of two system images that differ as a release and its update do: the same on every machine, forever, for measuring deltas. */
import type { TarEntry } from "../tests/support/tree-tar.ts";

/** Numbers that look random: mulberry32. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/**
 * What resembles a program: functions of instructions, some of which hold the distance to another function. What is inserted moves all that
 * follows, and changes every distance across it, as it does in programs.
 *
 * @param inserted the function that is longer in the newer version, and by how many bytes
 */
function program(seed: number, functions: number, inserted?: { readonly at: number; readonly bytes: number }): Uint8Array {
  const random = numbers(seed);
  const opcodes = Array.from({ length: 40 }, () => [random(256), random(256), random(256)]);
  const bodies = Array.from({ length: functions }, () =>
    Array.from({ length: 8 + random(60) }, () => ({ opcode: random(40), calls: random(4) === 0 ? random(functions) : -1 })),
  );
  const extra = (index: number): number => (index === inserted?.at ? inserted.bytes : 0);
  const starts: number[] = [];
  let end = 0;
  for (const [index, body] of bodies.entries()) {
    starts.push(end);
    end += body.reduce((size, { calls }) => size + (calls < 0 ? 3 : 5), 0) + extra(index);
  }
  const bytes = Buffer.alloc(end);
  let at = 0;
  for (const [index, body] of bodies.entries()) {
    for (const { opcode, calls } of body) {
      if (calls < 0) bytes.set(opcodes[opcode]!, at);
      else {
        bytes[at] = 0xe8;
        bytes.writeInt32LE(starts[calls]! - (at + 5), at + 1);
      }
      at += calls < 0 ? 3 : 5;
    }
    const added = numbers(seed + index);
    for (let i = 0; i < extra(index); i++) bytes[at++] = added(256);
  }
  return bytes;
}

function text(seed: number, lines: number, changed: number | undefined): Uint8Array {
  const random = numbers(seed);
  const words = Array.from({ length: 500 }, () =>
    Array.from({ length: 2 + random(8) }, () => String.fromCharCode(97 + random(26))).join(""),
  );
  const line = (): string => Array.from({ length: 4 + random(9) }, () => words[random(500)]!).join(" ");
  const all = Array.from({ length: lines }, line);
  if (changed !== undefined) all.splice(changed, 1, "this line is another one", "and this one is new");
  return Buffer.from(`${all.join("\n")}\n`);
}

/** Programs, libraries, modules of a kernel, text; in the update two libraries and the modules are newer, a file is new, one is gone. */
export function deltaPair(version: "old" | "new"): TarEntry[] {
  const isNew = version === "new";
  const kernel = isNew ? "6.12.2-bench" : "6.12.1-bench";
  const many = <T>(count: number, of: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => of(index));
  return [
    ...many(20, (i) => ({ path: `usr/bin/program${i}`, data: program(100 + i, 400), mode: 0o755 })),
    ...many(4, (i) => ({
      path: `usr/lib/liblarge.so.${i}`,
      data: program(200 + i, 3000, isNew && i < 2 ? { at: 400 * (i + 1), bytes: 96 } : undefined),
    })),
    ...many(30, (i) => ({
      path: `usr/lib/modules/${kernel}/kernel/module${i}.ko`,
      data: program(300 + i, 300, isNew ? { at: 7 * i, bytes: 16 + i } : undefined),
    })),
    ...many(200, (i) => ({
      path: `usr/share/data/${i % 7}/text${i}`,
      data: text(400 + i, 20 + i, isNew && i % 40 === 0 ? 11 : undefined),
    })),
    ...(isNew
      ? [{ path: "usr/share/data/new", data: program(900, 500) }]
      : [{ path: "usr/share/data/0/gone", data: text(901, 300, undefined) }]),
  ];
}
