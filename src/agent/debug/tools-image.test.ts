import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { image, layout, nested, tarOf, type Files } from "../../../tests/support/oci.ts";
import { tar } from "../../../tests/support/tar.ts";
import { archiveStore } from "../../registry/archive-store.ts";
import { archivedImage } from "../../registry/archived-image.ts";
import { toolsImage } from "./tools-image.ts";

const never = new AbortController().signal;
const LAYER = tar({ name: "x", data: "x" });
const AMD64 = { os: "linux", architecture: "amd64" };
const ARM64 = { os: "linux", architecture: "arm64" };

async function read(files: Files, tag?: string) {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-tools-image-"));
  const file = join(folder.path, "a.tar");
  await writeFile(file, tarOf(files));
  return await toolsImage(archiveStore(file), await archivedImage(file, tag, "it"), never);
}

suite("an image of tools", () => {
  test("says what it starts, with which environment, and where", async () => {
    const config = { config: { Env: ["A=b"], Entrypoint: ["a"], Cmd: ["b", "c"], WorkingDir: "/w" } };
    const { command, environment, folder, layers } = await read(layout(image([LAYER, LAYER], { config })));
    assert.deepEqual([command, environment, folder, layers.length], [["a", "b", "c"], ["A=b"], "/w", 2]);
    const plain = await read(layout(image([LAYER], { config: { config: {} } })));
    assert.deepEqual([plain.command, plain.environment, plain.folder], [[], [], "/"]);
  });

  test("is the one for this platform, and the one with the tag", async () => {
    const ours = image([LAYER], { platform: AMD64, config: { config: { Cmd: ["ours"] } } });
    const theirs = image([LAYER], { platform: ARM64, config: { architecture: "arm64" } });
    assert.deepEqual((await read(layout(nested([theirs, ours])))).command, ["ours"]);
    const two = layout(
      image([LAYER], { tag: "one" }),
      image([LAYER], { tag: "host/two:v2", config: { config: { Cmd: ["two"] } } }),
    );
    assert.deepEqual((await read(two, "v2")).command, ["two"]);
    await assert.rejects(read(two), { code: "IMAGE_NOT_FOUND", message: /2 images/ });
    await assert.rejects(read(two, "v3"), { code: "IMAGE_NOT_FOUND" });
  });

  for (const [what, files, code] of [
    ["for another platform", layout(image([LAYER], { config: { architecture: "arm64" } })), "IMAGE_NOT_USABLE"],
    ["for other platforms alone", layout(nested([image([LAYER], { platform: ARM64 })])), "IMAGE_NOT_USABLE"],
    ["without layers", layout(image([])), "IMAGE_NOT_USABLE"],
    ["with an environment that is none", layout(image([LAYER], { config: { config: { Env: ["A"] } } })), "REGISTRY_INVALID"],
    ["with a zero byte in what it starts", layout(image([LAYER], { config: { config: { Cmd: ["a\0b"] } } })), "REGISTRY_INVALID"],
    ["that is none", { "some.txt": "x" }, "REGISTRY_INVALID"],
  ] as const)
    test(`is refused ${what}`, async () => {
      await assert.rejects(read(files), { code });
    });
});
