/**
 * @portable A QR code for a short text, as a terminal shows it. Pure. Source: ISO/IEC 18004:2015; sections and tables below are its own.
 *
 * Version 3 with error correction level L and byte mode: it holds what is at most 53 bytes long, and a fingerprint has 50.
 */

/** Modules on each side: 17 + 4 × version (section 5.3.1). */
const SIZE = 29;
/** Codewords, of which the rest corrects errors (table 9): one block. */
const CODEWORDS = 70;
const DATA = 55;
/** Length of the text in bytes: mode and count take 12 bits, and the terminator 4. */
const LONGEST = DATA - 2;
/** Of the pattern in the lower right corner (annex E). */
const ALIGNMENT = 22;
const LEVEL_L = 1;
/** Section 5.3.8: light modules around it. */
const QUIET = 4;

type Module = boolean;
type Grid = (Module | undefined)[][];

/** Light and dark modules, row by row. @throws RangeError for a longer text */
export function qrCode(text: string): readonly (readonly Module[])[] {
  const codewords = codewordsOf(new TextEncoder().encode(text));
  const masked = Array.from({ length: 8 }, (_, mask) => drawn(codewords, mask));
  return masked.reduce((best, one) => (penaltyOf(one) < penaltyOf(best) ? one : best));
}

/**
 * Two rows of modules a line. Light modules are drawn and dark ones left out, since consoles are dark.
 */
export function qrText(text: string): string {
  const code = qrCode(text);
  const isLight = (row: number, column: number): boolean => !(code[row - QUIET]?.[column - QUIET] ?? false);
  const side = SIZE + 2 * QUIET;
  const lines = Array.from({ length: Math.ceil(side / 2) }, (_, line) =>
    Array.from({ length: side }, (__, column) => {
      const [upper, lower] = [isLight(2 * line, column), 2 * line + 1 < side && isLight(2 * line + 1, column)];
      return upper ? (lower ? "█" : "▀") : lower ? "▄" : " ";
    }).join(""),
  );
  return lines.join("\n");
}

/** Section 7.4: mode, count, text, terminator, padding; then section 7.5. */
function codewordsOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length > LONGEST) throw new RangeError(`a QR code of version 3 holds ${LONGEST} bytes`);
  const nibbles = [0b0100, bytes.length >> 4, bytes.length & 15, ...[...bytes].flatMap((byte) => [byte >> 4, byte & 15]), 0];
  const data = new Uint8Array(DATA);
  for (let at = 0; at < DATA; at++) {
    const pad = (at - nibbles.length / 2) % 2 === 0 ? 0xec : 0x11;
    data[at] = 2 * at < nibbles.length ? (nibbles[2 * at]! << 4) | nibbles[2 * at + 1]! : pad;
  }
  const all = new Uint8Array(CODEWORDS);
  all.set(data);
  all.set(correction(data), DATA);
  return all;
}

/** Reed-Solomon over GF(256) modulo x⁸+x⁴+x³+x²+1 (section 7.5.2): the remainder by a generator whose roots are the first powers of 2. */
function correction(data: Uint8Array): Uint8Array {
  const degree = CODEWORDS - DATA;
  let generator = [1];
  for (let power = 0, root = 1; power < degree; power++, root = times(root, 2)) {
    generator = [...generator, 0].map((value, at) => value ^ times(generator[at - 1] ?? 0, root));
  }
  const rest = new Uint8Array(CODEWORDS);
  rest.set(data);
  for (let at = 0; at < DATA; at++) {
    const factor = rest[at]!;
    for (const [offset, value] of generator.entries()) rest[at + offset]! ^= times(value, factor);
  }
  return rest.slice(DATA);
}

function times(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    if ((b >> bit) & 1) product ^= a;
  }
  return product;
}

function drawn(codewords: Uint8Array, mask: number): readonly (readonly Module[])[] {
  const grid: Grid = Array.from({ length: SIZE }, () => Array.from({ length: SIZE }));
  drawPatterns(grid);
  drawFormat(grid, mask);
  const bits = [...codewords].flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((bit) => ((byte >> bit) & 1) === 1));
  let next = 0;
  for (const [row, column] of dataModules(grid)) grid[row]![column] = (bits[next++] ?? false) !== isMasked(mask, row, column);
  return grid as Module[][];
}

/** Section 6.3: finders with their separators, timing, alignment. */
function drawPatterns(grid: Grid): void {
  for (const [top, left] of [
    [0, 0],
    [0, SIZE - 7],
    [SIZE - 7, 0],
  ] as const) {
    for (let row = top - 1; row <= top + 7; row++) {
      for (let column = left - 1; column <= left + 7; column++) {
        const ring = Math.max(Math.abs(row - top - 3), Math.abs(column - left - 3));
        const line = grid[row];
        if (line && column >= 0 && column < SIZE) line[column] = ring !== 2 && ring !== 4;
      }
    }
  }
  for (let at = 8; at < SIZE - 8; at++) grid[6]![at] = grid[at]![6] = at % 2 === 0;
  for (let row = -2; row <= 2; row++) {
    for (let column = -2; column <= 2; column++) {
      grid[ALIGNMENT + row]![ALIGNMENT + column] = Math.max(Math.abs(row), Math.abs(column)) !== 1;
    }
  }
}

/** Section 7.9: level and mask with a BCH code, twice, and the module that is always dark. */
function drawFormat(grid: Grid, mask: number): void {
  const data = (LEVEL_L << 3) | mask;
  let rest = data;
  for (let step = 0; step < 10; step++) rest = (rest << 1) ^ ((rest >> 9) * 0x537);
  const bits = ((data << 10) | rest) ^ 0x5412;
  for (let at = 0; at < 15; at++) {
    const isDark = ((bits >> at) & 1) === 1;
    const [row, column] = at < 8 ? [at < 6 ? at : at + 1, 8] : [8, at === 8 ? 7 : 14 - at];
    grid[row]![column] = isDark;
    if (at < 8) grid[8]![SIZE - 1 - at] = isDark;
    else grid[SIZE - 15 + at]![8] = isDark;
  }
  grid[SIZE - 8]![8] = true;
}

/** Section 7.7.3: pairs of columns from the right, up and down in turn; the column of the timing pattern is left out. */
function* dataModules(grid: Grid): Generator<readonly [row: number, column: number]> {
  const isFree = grid.map((row) => row.map((module) => module === undefined));
  let isUp = true;
  for (let right = SIZE - 1; right > 0; right -= 2, isUp = !isUp) {
    if (right === 6) right = 5;
    for (let step = 0; step < SIZE; step++) {
      const row = isUp ? SIZE - 1 - step : step;
      for (const column of [right, right - 1]) if (isFree[row]![column]) yield [row, column];
    }
  }
}

/** Table 10. */
function isMasked(mask: number, i: number, j: number): boolean {
  const product = (i * j) % 2;
  const third = (i * j) % 3;
  const values = [i + j, i, j % 3, (i + j) % 3, (i >> 1) + Math.trunc(j / 3), product + third, product + third, i + j + third];
  const value = values[mask]!;
  return mask === 2 || mask === 3 || mask === 5 ? value === 0 : value % 2 === 0;
}

/** Section 7.8.3.1: what makes a code hard to read. */
function penaltyOf(code: readonly (readonly Module[])[]): number {
  const turned = code.map((_, at) => code.map((row) => row[at]!));
  const lines = [...code, ...turned].map((line) => line.map((isDark) => (isDark ? "1" : "0")).join(""));
  const runs = lines.flatMap((line) => line.match(/0{5,}|1{5,}/g) ?? []).reduce((sum, run) => sum + run.length - 2, 0);
  const finders = lines.flatMap((line) => [...line.matchAll(/(?=10111010000|00001011101)/g)]).length;
  let blocks = 0;
  for (let row = 1; row < SIZE; row++) {
    for (let column = 1; column < SIZE; column++) {
      const one = code[row]![column];
      if (one === code[row - 1]![column] && one === code[row]![column - 1] && one === code[row - 1]![column - 1]) blocks++;
    }
  }
  const dark = code.flat().filter(Boolean).length / (SIZE * SIZE);
  return runs + 3 * blocks + 40 * finders + 10 * Math.floor(Math.abs(dark * 100 - 50) / 5);
}
