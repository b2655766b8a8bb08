/** The process that works on images, as it is: on files, with the file of a slot in place of a partition. */
import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { smallImage, type SmallImage } from "../../tests/support/small-image.ts";
import { testTools } from "../../tests/support/tools.ts";
import { MiB } from "../core/units.ts";
import { run } from "../host/run.ts";
import type { ImageLine, ImageRequest } from "./image-work.ts";
import type { WorkerError } from "./worker.ts";

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
  assert.deepEqual(await work({ do: "check", source, digest }), { whole: true });

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
