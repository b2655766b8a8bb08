import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MiB } from "../../src/core/units.ts";
import { noise } from "../support/small-image.ts";
import { testTools } from "../support/tools.ts";
import { serveNbd } from "./nbd-server.ts";
import { lately, recorder, type Delay, type LogEntry } from "./recorder.ts";

const SIZE = 4 * MiB;
const nothing = (): Uint8Array => new Uint8Array();
const words = (log: readonly LogEntry[]): string[] =>
  log.map((entry) => (entry.is === "write" ? `write ${entry.offset}+${entry.data.length} after ${entry.received}` : entry.is));

/** Writes are acknowledged when the test says so, in any order. */
function byHand(): { readonly delay: Delay; readonly release: (number: number) => void } {
  const waiting: (() => void)[] = [];
  return {
    delay: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push(resolve);
      await promise;
    },
    release: (number) => waiting[number]!(),
  };
}

test("a write that is under way when a flush is issued stands behind it in the log, and says when it was received", async () => {
  const { delay, release } = byHand();
  const disk = recorder(SIZE, nothing, delay);
  const sector = new Uint8Array(512).fill(7);
  const [first, second] = [disk.write(0, sector, false), disk.write(512, sector, false)];
  release(0);
  await first;
  await disk.flush();
  release(1);
  await second;
  disk.mark("stored");
  assert.deepEqual(words(disk.log), ["write 0+512 after 0", "flush", "write 512+512 after 0", "mark"]);
});

test("what was received is read, whether it was acknowledged or not, and the rest is the base", async () => {
  const { delay } = byHand();
  const base = noise(SIZE, "base");
  const disk = recorder(SIZE, (offset, length) => base.subarray(offset, offset + length), delay);
  const data = noise(1536, "data");
  void disk.write(3584, data, false);
  void disk.zero(8192, 512, "zeroes", false);
  const expected = Buffer.from(base);
  expected.set(data, 3584);
  expected.fill(0, 8192, 8704);
  assert.deepEqual(Buffer.from(await disk.read(512, 12_288)), expected.subarray(512, 12_800));
});

test("a write does not change after it was received, whatever becomes of its buffer", async () => {
  const disk = recorder(SIZE, nothing, async () => {});
  const buffer = new Uint8Array(512).fill(1);
  const done = disk.write(0, buffer, false);
  buffer.fill(2);
  await done;
  const [entry] = disk.log;
  assert.ok(entry?.is === "write" && entry.data.every((byte) => byte === 1));
});

test("qemu-img and qemu-io see the disk through the server, and every command of theirs is in the log", async () => {
  const tools = await testTools();
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-nbd-"));
  const path = (name: string): string => join(folder.path, name);
  const base = noise(SIZE, "server");
  await writeFile(path("base"), base);
  const disk = recorder(SIZE, (offset, length) => base.subarray(offset, offset + length), lately);
  await using _ = await serveNbd(path("socket"), disk);
  const options = { binds: [{ source: folder.path, target: "/tmp/work", writable: true }], timeoutMs: 60_000 };
  const server = "nbd+unix:///?socket=/tmp/work/socket";

  await tools.run(["qemu-img", "compare", "-f", "raw", "-F", "raw", "/tmp/work/base", server], options);
  assert.deepEqual(
    disk.log.filter(({ is }) => is === "write"),
    [],
  );

  const commands = ["write -P 0x5a 4096 8192", "flush", "write -f -P 0x5b 512 512", "write -z 65536 4096", "discard 131072 4096"];
  const io = ["qemu-io", "-f", "raw", "-d", "unmap", "-t", "none", ...commands.flatMap((command) => ["-c", command]), server];
  await tools.run(io as [string, ...string[]], options);
  const expected = Buffer.from(base)
    .fill(0x5a, 4096, 12_288)
    .fill(0x5b, 512, 1024)
    .fill(0, 65_536, 69_632)
    .fill(0, 131_072, 135_168);
  assert.deepEqual(Buffer.from(await disk.read(0, SIZE)), expected);
  const writes = disk.log.flatMap((entry) =>
    entry.is === "write"
      ? [`${entry.offset}+${entry.data.length}${entry.fua ? " fua" : ""}${entry.discard ? " discard" : ""}`]
      : [],
  );
  assert.deepEqual(writes, ["4096+8192", "512+512 fua", "65536+4096", "131072+4096 discard"]);
  assert.ok(disk.log.findIndex(({ is }) => is === "flush") === 1 + disk.log.findIndex(({ is }) => is === "write"));

  await tools.run(["qemu-img", "convert", "-f", "raw", "-O", "raw", server, "/tmp/work/copy"], options);
  assert.deepEqual(await readFile(path("copy")), expected);
});
