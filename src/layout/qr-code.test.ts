import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { qrCode, qrText } from "./qr-code.ts";

const KEY = "SHA256:6jrVGNkbPXuKQYVYwWXcVsUQmxJqqqzU0PSTcVJ5Y1s";
const SIZE = 29;

/** Source: ISO/IEC 18004:2015, annex C, table C.1: level L, masks 0 to 7 */
const FORMATS = [
  ...["111011111000100", "111001011110011", "111110110101010", "111100010011101"],
  ...["110011000101111", "110001100011000", "110110001000001", "110100101110110"],
];
const MASKS: readonly ((i: number, j: number) => boolean)[] = [
  (i, j) => (i + j) % 2 === 0,
  (i) => i % 2 === 0,
  (_, j) => j % 3 === 0,
  (i, j) => (i + j) % 3 === 0,
  (i, j) => (Math.floor(i / 2) + Math.floor(j / 3)) % 2 === 0,
  (i, j) => ((i * j) % 2) + ((i * j) % 3) === 0,
  (i, j) => (((i * j) % 2) + ((i * j) % 3)) % 2 === 0,
  (i, j) => (((i + j) % 2) + ((i * j) % 3)) % 2 === 0,
];
type Code = ReturnType<typeof qrCode>;
const bit = (code: Code, row: number, column: number): number => (code[row]![column] ? 1 : 0);

/** Both copies, the most significant bit first. */
function formatsOf(code: Code): [string, string] {
  const first = [0, 1, 2, 3, 4, 5, 7, 8].map((column) => bit(code, 8, column));
  const upwards = [7, 5, 4, 3, 2, 1, 0].map((row) => bit(code, row, 8));
  const below = [1, 2, 3, 4, 5, 6, 7].map((at) => bit(code, SIZE - at, 8));
  const right = [8, 7, 6, 5, 4, 3, 2, 1].map((at) => bit(code, 8, SIZE - at));
  return [[...first, ...upwards].join(""), [...below, ...right].join("")];
}

const isPattern = (row: number, column: number): boolean =>
  (row < 9 && column < 9) ||
  (row < 9 && column >= SIZE - 8) ||
  (row >= SIZE - 8 && column < 9) ||
  row === 6 ||
  column === 6 ||
  (row >= 20 && row <= 24 && column >= 20 && column <= 24);

function codewordsOf(code: Code): number[] {
  const mask = MASKS[FORMATS.indexOf(formatsOf(code)[0])]!;
  const bits: number[] = [];
  const columns = [28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 5, 3, 1];
  for (const [turn, right] of columns.entries()) {
    for (let step = 0; step < SIZE; step++) {
      const row = turn % 2 === 0 ? SIZE - 1 - step : step;
      for (const column of [right, right - 1]) {
        if (!isPattern(row, column)) bits.push(bit(code, row, column) ^ (mask(row, column) ? 1 : 0));
      }
    }
  }
  return Array.from({ length: 70 }, (_, at) => Number.parseInt(bits.slice(8 * at, 8 * at + 8).join(""), 2));
}

/** By logarithms, as a reader does it. */
const [POWERS, LOGS] = ((): [number[], number[]] => {
  const [powers, logs]: [number[], number[]] = [[], []];
  for (let power = 0, value = 1; power < 255; power++) {
    powers[power] = value;
    logs[value] = power;
    value = value < 128 ? value * 2 : (value * 2) ^ 0x11d;
  }
  return [powers, logs];
})();

suite("a QR code", () => {
  for (const text of [KEY, "", "x", "é", "a".repeat(53)]) {
    test(`is read as what it was made of: ${JSON.stringify(text.slice(0, 10))}, ${text.length} characters`, () => {
      const code = qrCode(text);
      const [first, second] = formatsOf(code);
      assert.ok(FORMATS.includes(first));
      assert.equal(first, second);
      const codewords = codewordsOf(code);
      const nibbles = codewords.flatMap((byte) => [byte >> 4, byte & 15]);
      assert.equal(nibbles[0], 4, "bytes follow");
      const length = nibbles[1]! * 16 + nibbles[2]!;
      const bytes = Uint8Array.from({ length }, (_, at) => nibbles[3 + 2 * at]! * 16 + nibbles[4 + 2 * at]!);
      assert.equal(new TextDecoder().decode(bytes), text);
      assert.deepEqual(
        codewords.slice(length + 2, 55),
        Array.from({ length: 53 - length }, (_, at) => (at % 2 ? 0x11 : 0xec)),
      );
      for (let root = 0; root < 15; root++) {
        const syndrome = codewords.reduce(
          (sum, value, at) => sum ^ (value === 0 ? 0 : POWERS[(LOGS[value]! + root * (69 - at)) % 255]!),
          0,
        );
        assert.equal(syndrome, 0, `syndrome ${root}`);
      }
    });
  }

  test("has its patterns where readers look for them", () => {
    const code = qrCode(KEY);
    const row = (at: number, from: number, to: number): string =>
      code[at]!.slice(from, to)
        .map((isDark) => (isDark ? "#" : "."))
        .join("");
    assert.deepEqual(
      [0, 1, 2, 3, 6, 7].map((at) => row(at, 0, 8)),
      ["#######.", "#.....#.", "#.###.#.", "#.###.#.", "#######.", "........"],
    );
    assert.equal(row(0, 21, 29), ".#######");
    assert.equal(row(28, 0, 8), "#######.");
    assert.equal(row(6, 8, 21), "#.#.#.#.#.#.#");
    assert.deepEqual(
      [20, 21, 22].map((at) => row(at, 20, 25)),
      ["#####", "#...#", "#.#.#"],
    );
    assert.equal(code[SIZE - 8]![8], true);
  });

  test("is refused for what it cannot hold", () => assert.throws(() => qrCode("a".repeat(54)), RangeError));

  test("is 37 columns and 19 lines of a console, with light around it", () => {
    const lines = qrText(KEY).split("\n");
    assert.deepEqual([lines.length, ...new Set(lines.map((line) => line.length))], [19, 37]);
    assert.match(lines[0]!, /^█+$/);
    assert.match(lines[18]!, /^▀+$/);
    for (const line of lines.slice(2, 17)) assert.match(line, /^████.*████$/);
  });
});
