import assert from "node:assert/strict";
import { test } from "node:test";
import { readExtents } from "./read-extents.ts";

test("bytes in extents are read as if they lay together, up to where these end", async () => {
  const device = Uint8Array.from({ length: 65_536 }, (_, at) => at >> 8);
  const read = async (at: number, length: number): Promise<Uint8Array> => await Promise.resolve(device.subarray(at, at + length));
  const extents = [
    { start: 32_768, size: 8192 },
    { start: 4096, size: 4096 },
  ];
  const place = readExtents({ read }, extents);
  const whole = [...device.subarray(32_768, 40_960), ...device.subarray(4096, 8192)];
  assert.equal(place.size, 12_288);
  for (const [at, length] of [
    [0, 12_288],
    [8000, 1000],
    [12_000, 5000],
    [20_000, 10],
  ] as const) {
    assert.deepEqual([...(await place.read(at, length))], whole.slice(at, at + length));
  }
});
