import assert from "node:assert/strict";
import { test } from "node:test";
import { CPIO_CHARACTER, CPIO_FILE, CPIO_FOLDER, encodeCpio, encodeCpioAround } from "./cpio.ts";

const ascii = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

test("an archive has a header, a name and data for each entry, each at a multiple of four, and a trailer", () => {
  const archive = encodeCpio(
    [
      { path: "dev", mode: CPIO_FOLDER | 0o755 },
      { path: "dev/console", mode: CPIO_CHARACTER | 0o600, device: [5, 1] },
      { path: "init", mode: CPIO_FILE | 0o755, data: new TextEncoder().encode("hello") },
    ],
    0x68000000,
  );
  const field = (value: number): string => value.toString(16).padStart(8, "0");
  const header = (values: readonly number[], name: string): string => `070701${values.map(field).join("")}${name}\0`;
  const pad = (text: string): string => text + "\0".repeat((4 - (text.length % 4)) % 4);
  assert.equal(
    ascii(archive),
    [
      pad(header([1, 0o040755, 0, 0, 2, 0x68000000, 0, 0, 0, 0, 0, 4, 0], "dev")),
      pad(header([2, 0o020600, 0, 0, 1, 0x68000000, 0, 0, 0, 5, 1, 12, 0], "dev/console")),
      pad(header([3, 0o100755, 0, 0, 1, 0x68000000, 5, 0, 0, 0, 0, 5, 0], "init")) + pad("hello"),
      pad(header([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0], "TRAILER!!!")),
    ].join(""),
  );
});

for (const size of [0, 1, 4, 4099]) {
  test(`what goes around a file of ${size} bytes makes the same archive as the file in it`, () => {
    const data = new Uint8Array(size).fill(7);
    const { before, after } = encodeCpioAround("system.img", size, 5);
    const whole = encodeCpio([{ path: "system.img", mode: CPIO_FILE | 0o644, data }], 5);
    assert.deepEqual(new Uint8Array(Buffer.concat([before, data, after])), whole);
  });
}
