/** The process that works on images, as it is: on files, with the file of a slot in place of a partition. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, suite, test } from "node:test";
import { faultyRegistry, push } from "../../tests/support/pushed-release.ts";
import { smallImage, type SmallImage } from "../../tests/support/small-image.ts";
import { testTools } from "../../tests/support/tools.ts";
import { MiB } from "../core/units.ts";
import { run } from "../host/run.ts";
import { sha256 } from "../host/sha256.ts";
import { zstdQuickPack } from "../host/zstd.ts";
import { layoutStore } from "../registry/layout-store.ts";
import { pushRelease } from "../registry/push-release.ts";
import { findManifest } from "../release/verify-image.ts";
import type { ImageLine, ImageRequest } from "./image-work.ts";
import { work as workIn, type WorkerError } from "./worker.ts";

let image: SmallImage;
let other: SmallImage;
before(async () => {
  const tools = await testTools();
  image = await smallImage(tools, 300);
  other = await smallImage(tools, 100);
});

const means = { proxies: {} } as const;
const PROGRAM = join(import.meta.dirname, "image-main.ts");

async function work(request: ImageRequest): Promise<ImageLine | WorkerError> {
  const { stdout } = await run([process.execPath, "--disable-warning=ExperimentalWarning", PROGRAM], {
    stdin: JSON.stringify(request),
  });
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as ImageLine | WorkerError;
}

test("an image is inspected, checked, written to its extents, and read back whole", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-work-"));
  const path = join(folder.path, "small.img");
  const device = join(folder.path, "device");
  await writeFile(path, image.bytes);
  await writeFile(device, new Uint8Array(16 * MiB).fill(0x55));
  const source = { is: "file", path } as const;

  const inspected = await work({ do: "inspect", source: { is: "file", path: folder.path }, means });
  assert.ok("inspected" in inspected);
  assert.deepEqual([inspected.inspected.source, inspected.inspected.trust], [source, "unsigned"]);
  const { digest, size } = inspected.inspected.image;
  assert.deepEqual([digest, size], [image.digest, image.bytes.length]);
  assert.deepEqual(await work({ do: "check", source, digest, means }), { whole: true });

  const extents = [{ start: MiB, size: 12 * MiB }];
  const write = { do: "write", source, digest, size, device, extents, from: 0, means } as const;
  assert.deepEqual(await work(write), { written: size, done: true });
  const bytes = await readFile(device);
  assert.ok(bytes.subarray(MiB, MiB + size).equals(image.bytes), "the image");
  assert.ok(
    bytes.subarray(0, MiB).every((byte) => byte === 0x55) && bytes.subarray(13 * MiB).every((byte) => byte === 0x55),
    "nothing else",
  );
});

test("a source that has another image by now is not written", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-work-"));
  const path = join(folder.path, "small.img");
  const device = join(folder.path, "device");
  await writeFile(path, other.bytes);
  await writeFile(device, new Uint8Array(16 * MiB));
  const write = { do: "write", digest: image.digest, size: image.bytes.length, device, from: 0, means } as const;
  const line = await work({ ...write, source: { is: "file", path }, extents: [{ start: 0, size: 16 * MiB }] });
  assert.ok("error" in line && line.error.code === "IMAGE_CHANGED", JSON.stringify(line));
  assert.ok((await readFile(device)).every((byte) => byte === 0));
});

test("what is no image, or not there, is said with a hint", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-work-"));
  const path = join(folder.path, "x");
  await writeFile(path, "no image");
  for (const [file, code] of [
    [path, "IMAGE_INVALID"],
    [join(folder.path, "nowhere"), "IMAGE_UNREADABLE"],
  ] as const) {
    const line = await work({ do: "inspect", source: { is: "file", path: file }, means });
    assert.ok("error" in line, JSON.stringify(line));
    assert.deepEqual([line.error.code, line.error.hint !== undefined], [code, true]);
  }
});

test("a release in a folder is inspected, and written to its extents; what is there is not written again", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-work-"));
  const device = join(folder.path, "device");
  const store = join(folder.path, "store");
  const size = image.bytes.length;
  await writeFile(device, new Uint8Array(16 * MiB).fill(0x55));
  const read = (at: number, length: number): Uint8Array => image.bytes.subarray(at, at + length);
  const found = await findManifest({ size, read: async (at, length) => await Promise.resolve(read(at, length)) }, sha256);
  const pushed = await pushRelease({
    ...{ store: layoutStore(store), tag: "v1", image: { read }, found, facts: { created: 1_800_000_000 } },
    pack: async (bytes) => await Promise.resolve(zstdQuickPack(bytes)),
  });
  await pushed.publish();

  const inspected = await work({ do: "inspect", source: { is: "registry", reference: `oci:${store}` }, means });
  assert.ok("inspected" in inspected, JSON.stringify(inspected));
  const { source, release, delivery } = inspected.inspected;
  assert.deepEqual(source, { is: "registry", reference: `oci:${store}@${pushed.index.digest}` });
  assert.deepEqual([release?.created, delivery?.bytes, delivery?.of], [1_800_000_000, pushed.packed, pushed.packed]);

  const extents = [
    { start: 9 * MiB, size: 6 * MiB },
    { start: MiB, size: 6 * MiB },
  ];
  const write = { do: "write", source, digest: image.digest, size, device, extents, from: 0, means } as const;
  const first = await work(write);
  assert.ok("written" in first && first.done, JSON.stringify(first));
  assert.ok(first.downloaded!.bytes >= pushed.packed);
  const bytes = await readFile(device);
  const place = Buffer.concat([bytes.subarray(9 * MiB, 15 * MiB), bytes.subarray(MiB, 7 * MiB)]);
  assert.ok(place.subarray(0, size).equals(image.bytes), "the image");
  assert.ok(
    [bytes.subarray(0, MiB), bytes.subarray(7 * MiB, 9 * MiB), bytes.subarray(15 * MiB)].every((part) =>
      part.every((byte) => byte === 0x55),
    ),
    "nothing else",
  );
  const again = await work(write);
  assert.ok("written" in again && again.downloaded!.bytes < first.downloaded!.bytes, JSON.stringify(again));
  const changed = await work({ ...write, digest: "00".repeat(32) });
  assert.ok("error" in changed && changed.error.code === "IMAGE_CHANGED", JSON.stringify(changed));
});

suite("a release in a registry that fails", () => {
  test("is put together again by the process while nobody answers, where its documents were kept; it came no faster than it may", async () => {
    await using at = await faultyRegistry();
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-work-"));
    const [device, size] = [join(folder.path, "device"), image.bytes.length];
    await writeFile(device, new Uint8Array(16 * MiB).fill(0x55));
    const read = (offset: number, length: number): Uint8Array => image.bytes.subarray(offset, offset + length);
    const found = await findManifest(
      { size, read: async (offset, length) => await Promise.resolve(read(offset, length)) },
      sha256,
    );
    const { index, packed } = await push(at.store, { bytes: image.bytes, found, read });
    const source = { is: "registry", reference: `http://${at.registry.host}/team/os@${index.digest}` } as const;
    const extents = [{ start: MiB, size: 12 * MiB }];
    const kept = { ...means, kept: join(folder.path, "release") };
    const write = { do: "write", source, digest: image.digest, size, device, extents, from: 0, means: kept } as const;
    const bandwidth = Math.ceil(packed / 2);
    const began = performance.now();
    const first = await work({ ...write, keep: true, means: { ...kept, bandwidth } });
    assert.ok("written" in first && first.done, JSON.stringify(first));
    const seconds = (performance.now() - began) / 1000;
    assert.ok(seconds >= 1.75, `${packed} bytes at ${bandwidth} a second in ${seconds} s`);

    at.fail(() => ({ cutAfter: 0 }));
    const asked = at.registry.asked.length;
    const inspected = await work({ do: "inspect", source, means: kept });
    assert.ok("inspected" in inspected && inspected.inspected.image.digest === image.digest, JSON.stringify(inspected));
    const again = await work(write);
    assert.ok("written" in again && again.done, JSON.stringify(again));
    assert.equal(at.registry.asked.length, asked, "nobody was asked");
    assert.ok((await readFile(device)).subarray(MiB, MiB + size).equals(image.bytes), "the image");
  });

  test("is told by the process with code, sentence and hint; what is written stays, and the next one goes on", async () => {
    await using at = await faultyRegistry();
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-work-"));
    const [device, size] = [join(folder.path, "device"), image.bytes.length];
    await writeFile(device, new Uint8Array(16 * MiB).fill(0x55));
    const read = (offset: number, length: number): Uint8Array => image.bytes.subarray(offset, offset + length);
    const found = await findManifest(
      { size, read: async (offset, length) => await Promise.resolve(read(offset, length)) },
      sha256,
    );
    const pushed = await push(at.store, { bytes: image.bytes, found, read });
    const source = { is: "registry", reference: `http://${at.registry.host}/team/os@${pushed.index.digest}` } as const;
    const extents = [{ start: MiB, size: 12 * MiB }];
    const write = { do: "write", source, digest: image.digest, size, device, extents, from: 0, means } as const;
    const { repository } = at.registry;
    const [segment] = [...repository("team/os").blobs].toSorted(([, a], [, b]) => b.length - a.length)[0]!;
    for (const [fault, code, words] of [
      [{ status: 429, headers: { "retry-after": "3600" } }, "REGISTRY_RATE_LIMITED", /wait for 3600 s/],
      [{ change: (body: Buffer) => Buffer.alloc(body.length) }, "REGISTRY_INVALID", /other bytes/],
    ] as const) {
      at.fail(({ url }) => (url.endsWith(segment) ? fault : undefined));
      const line = await work(write);
      assert.ok("error" in line, JSON.stringify(line));
      assert.deepEqual([line.error.code, line.error.hint !== undefined], [code, true]);
      assert.match(line.error.message, words);
      const bytes = await readFile(device);
      assert.ok(
        [...bytes.subarray(0, MiB), ...bytes.subarray(13 * MiB)].every((byte) => byte === 0x55),
        "nothing outside its place",
      );
    }
    at.fail(undefined);
    assert.deepEqual(await work({ do: "check", source, digest: image.digest, means }), { whole: true });
    // Killed while it waits for the line, and begun anew.
    const arrived = Promise.withResolvers<void>();
    at.fail(({ url }) => {
      if (!url.endsWith(segment)) return undefined;
      arrived.resolve();
      return { dripMs: 1000 };
    });
    const program: [string, ...string[]] = [process.execPath, "--disable-warning=ExperimentalWarning", PROGRAM];
    const child = spawn(program[0], program.slice(1), { stdio: ["pipe", "ignore", "ignore"] });
    const ended = once(child, "close");
    child.stdin.end(JSON.stringify(write));
    await arrived.promise;
    child.kill("SIGKILL");
    await ended;
    at.fail(undefined);
    const done = await work(write);
    assert.ok("written" in done && done.done, JSON.stringify(done));
    assert.ok((await readFile(device)).subarray(MiB, MiB + size).equals(image.bytes), "the image");
  });

  test("a place that cannot be written, and a process that ends early, are told as what they are", async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-work-"));
    const path = join(folder.path, "small.img");
    await writeFile(path, image.bytes);
    const source = { is: "file", path } as const;
    const write = { do: "write", source, digest: image.digest, size: image.bytes.length, from: 0, means } as const;
    const line = await work({ ...write, device: "/dev/full", extents: [{ start: 0, size: 16 * MiB }] });
    assert.ok("error" in line, JSON.stringify(line));
    assert.deepEqual([line.error.code, line.error.hint !== undefined], ["PLACE_UNWRITABLE", true]);
    assert.match(line.error.message, /cannot be written: .*(ENOSPC|EINVAL)/);
    const program = [process.execPath, "-e", "process.kill(process.pid, 'SIGKILL')"] as const;
    await assert.rejects(
      workIn({ run, program }, {}, () => {}, new AbortController().signal),
      (error: Error & { hint?: string }) => {
        assert.deepEqual([(error as { code?: string }).code, error.hint !== undefined], ["WORKER_ENDED", true]);
        assert.match(error.message, /it was killed$/);
        return true;
      },
    );
  });
});
