import assert from "node:assert/strict";
import { mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { AppError } from "../../core/error.ts";
import { blobName, image, layout, nested, saved, sha256Of, tarOf, writeFiles, type Files } from "../../../tests/support/oci.ts";
import { file, folder, hardLink, symlink as link, tar } from "../../../tests/support/tar.ts";
import { folderOfBlobs, tarOfBlobs, type Blobs } from "./blobs.ts";
import { dockerImage } from "./docker-image.ts";
import {
  createdTime,
  parseConfig,
  parseIndex,
  parseManifest,
  parseSaved,
  savedImage,
  tagged,
  forPlatform,
} from "./image-documents.ts";
import { judgeLayers } from "./merge.ts";
import { ociImage, type Image } from "./oci-image.ts";

const ONE = tar(folder("etc"), file("etc/one", "1"));
const TWO = tar(file("etc/two", "2"));
const AMD64 = { os: "linux", architecture: "amd64" };
const ARM64 = { os: "linux", architecture: "arm64" };

describe("images", () => {
  let work = "";
  let count = 0;
  before(async () => void (work = await mkdtemp(join(tmpdir(), "petrify-images-"))));
  after(async () => await rm(work, { recursive: true }));

  const inFolder = async (files: Files): Promise<Blobs> => {
    const at = join(work, `image-${count++}`);
    await writeFiles(at, files);
    return folderOfBlobs("image", at, undefined);
  };
  const inTar = async (bytes: Uint8Array): Promise<Blobs> => {
    const at = join(work, `image-${count++}.tar`);
    await writeFile(at, bytes);
    return await tarOfBlobs("image.tar", at, undefined);
  };
  /** Names of what the layers become. */
  const namesOf = async ({ layers }: Image): Promise<number> => {
    const judged = await judgeLayers(await layers(() => {}), { whiteouts: true });
    return Buffer.concat(await Array.fromAsync(judged.tar())).length;
  };
  const read = async (blobs: Blobs, tag?: string): Promise<Image> => {
    const found = await ociImage(blobs, tag);
    await namesOf(found);
    return found;
  };
  const refusal = async (body: () => Promise<unknown>): Promise<string> => {
    try {
      await body();
    } catch (error) {
      assert.ok(error instanceof AppError, String((error as Error).stack));
      return `${error.code} ${error.message} (${error.hint})`;
    }
    return "nothing";
  };

  const v1 = image([ONE, TWO], { tag: "v1" });
  const v2 = image([TWO], { tag: "v2" });
  const other = image([ONE], { platform: ARM64, config: ARM64 });

  for (const [what, files, tag, chosen] of [
    ["the only image, without a tag", layout(v1), undefined, v1],
    ["the only image, by its tag", layout(v1), "v1", v1],
    ["one of several, by its tag", layout(v1, v2), "v2", v2],
    ["an image whose tag is a full name", layout(image([ONE], { tag: "registry.example/name:v3" })), "v3", undefined],
    [
      "the same image under two tags",
      layout(v1, { ...v1, descriptor: { ...v1.descriptor, annotations: { "org.opencontainers.image.ref.name": "w1" } } }),
      undefined,
      v1,
    ],
    ["the image for this platform", layout(other, image([ONE], { platform: AMD64 })), undefined, undefined],
    ["an image in an index in an index", layout(nested([nested([other, v1])])), undefined, v1],
    [
      "a tag that means an index",
      layout(v2, nested([v1], { annotations: { "org.opencontainers.image.ref.name": "all" } })),
      "all",
      v1,
    ],
    [
      "an image beside an attestation",
      layout(nested([v1, image([TWO], { platform: { os: "unknown", architecture: "unknown" } })])),
      undefined,
      v1,
    ],
    ["an image without layers", layout(image([])), undefined, undefined],
    [
      "an image of docker's types",
      layout(image([{ layer: ONE, mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip" }])),
      undefined,
      undefined,
    ],
    [
      "a layer compressed with zstd",
      layout(image([{ layer: ONE, blob: zstdCompressSync(ONE), mediaType: "application/vnd.oci.image.layer.v1.tar+zstd" }])),
      undefined,
      undefined,
    ],
    [
      "a layer that is not compressed",
      layout(image([{ layer: ONE, blob: ONE, mediaType: "application/vnd.oci.image.layer.v1.tar" }])),
      undefined,
      undefined,
    ],
  ] as const satisfies readonly (readonly [
    string,
    Files,
    string | undefined,
    { descriptor: { digest: string } } | undefined,
  ])[]) {
    test(`a layout gives ${what}, as folder and as archive`, async () => {
      for (const blobs of [await inFolder(files), await inTar(tarOf(files))]) {
        const found = await read(blobs, tag);
        if (chosen) assert.equal(found.digest, chosen.descriptor.digest);
        assert.equal(found.created, 1_714_979_289);
      }
    });
  }

  const [layerBlob = ""] = Object.keys(v2.files).filter((name) => name === blobName(sha256Of(gzipSync(TWO))));
  const without = (files: Files, name: string): Files =>
    Object.fromEntries(Object.entries(files).filter(([key]) => key !== name));
  const huge = Buffer.alloc(5 * 1024 ** 2, " ");
  const long = { os: "linux", architecture: "a".repeat(300) };
  let deep = nested([v1]);
  for (let depth = 0; depth < 5; depth++) deep = nested([deep]);
  for (const [what, files, tag, message] of [
    ["no oci-layout", without(layout(v1), "oci-layout"), undefined, /BASE_INVALID image: has no oci-layout/],
    [
      "another version",
      { ...layout(v1), "oci-layout": '{"imageLayoutVersion":"2.0"}' },
      undefined,
      /oci-layout: is of the version "2\.0"/,
    ],
    ["no index", without(layout(v1), "index.json"), undefined, /has no index\.json/],
    ["an index that is no JSON", { ...layout(v1), "index.json": "{" }, undefined, /image: index\.json: is not JSON/],
    ["an index of another kind", { ...layout(v1), "index.json": "[]" }, undefined, /image: index\.json: it: /],
    ["an index of 5 MiB", { ...layout(v1), "index.json": huge }, undefined, /larger than the 4 MiB/],
    ["no image", layout(), undefined, /has no image/],
    ["a tag that is not there", layout(v1, v2), "v3", /has no image with the tag v3 \(Set `base\.tag` to one of: "v1", "v2"\.\)/],
    [
      "several images and no tag",
      layout(v1, v2),
      undefined,
      /has 2 images with different tags \(Set `base\.tag` to one of: "v1", "v2"\.\)/,
    ],
    [
      "several images without tags",
      layout(image([ONE]), image([TWO])),
      undefined,
      /has 2 images for linux\/amd64 \(Give each a tag/,
    ],
    ["only another platform, by its index", layout(other), undefined, /has no image for linux\/amd64; it has "linux\/arm64"/],
    [
      "only another platform, by its configuration",
      layout(image([ONE], { config: ARM64 })),
      undefined,
      /the image is for linux\/arm64; petrify builds for linux\/amd64/,
    ],
    ["another system", layout(image([ONE], { config: { os: "windows" } })), undefined, /the image is for windows\/amd64/],
    ["a platform with a long name", layout(image([ONE], { platform: long })), undefined, /has no image for linux\/amd64/],
    ["indexes within indexes within indexes", layout(deep), undefined, /too many indexes within each other/],
    ["a blob that is missing", without(layout(v2), layerBlob), undefined, /has no blobs\/sha256\//],
    [
      "a layer with a changed byte",
      { ...layout(v2), [layerBlob]: gzipSync(ONE) },
      undefined,
      /BASE_DAMAGED image: layer 1 of 1 \(sha256:.*\): has \d+ bytes and should have|has the digest/,
    ],
    [
      "a layer of another content and the same size",
      { ...layout(v2), [layerBlob]: Buffer.from(gzipSync(TWO)).fill(1, 20, 21) },
      undefined,
      /BASE_DAMAGED image: layer 1 of 1 \(sha256:[0-9a-f]{64}\): has the digest sha256/,
    ],
    [
      "a truncated layer",
      { ...layout(v2), [layerBlob]: gzipSync(TWO).subarray(0, 50) },
      undefined,
      /BASE_DAMAGED .*has 50 bytes and should have/,
    ],
    [
      "a changed manifest",
      { ...layout(v2), [blobName(v2.descriptor.digest)]: "{}" },
      undefined,
      /BASE_DAMAGED image: manifest sha256:/,
    ],
    [
      "a wrong diff_id",
      layout(image([{ layer: ONE, diffId: sha256Of("x") }])),
      undefined,
      /BASE_DAMAGED image: layer 1 of 1 .*: has the digest/,
    ],
    [
      "fewer diff_ids than layers",
      layout(image([ONE], { config: { rootfs: { type: "layers", diff_ids: [] } } })),
      undefined,
      /has 1 layers, and its configuration tells of 0/,
    ],
    [
      "513 layers",
      layout(image(Array.from({ length: 513 }, () => TWO))),
      undefined,
      /ARCHIVE_REFUSED image: has 513 layers; up to 512 are read/,
    ],
    [
      "a layer that is elsewhere",
      layout(image([{ layer: ONE, mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" }])),
      undefined,
      /layer 1 is to be fetched from elsewhere/,
    ],
    [
      "a foreign layer of docker's",
      layout(image([{ layer: ONE, mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" }])),
      undefined,
      /is to be fetched from elsewhere/,
    ],
    [
      "an encrypted layer",
      layout(image([{ layer: ONE, mediaType: "application/vnd.oci.image.layer.v1.tar+gzip+encrypted" }])),
      undefined,
      /of a type that is not read/,
    ],
    [
      "no image but an artifact",
      layout(
        image([], { manifest: { config: { mediaType: "application/vnd.oci.empty.v1+json", digest: sha256Of("{}"), size: 2 } } }),
      ),
      undefined,
      /is an artifact of the type/,
    ],
    [
      "a digest that is a path",
      layout({ ...v1, descriptor: { ...v1.descriptor, digest: "sha256:../../../../etc/passwd" } }),
      undefined,
      /manifests\.0\.digest: must be a digest/,
    ],
    [
      "a digest of another algorithm",
      layout({ ...v1, descriptor: { ...v1.descriptor, digest: `md5:${"0".repeat(32)}` } }),
      undefined,
      /must be a digest/,
    ],
    ["a negative size", layout({ ...v1, descriptor: { ...v1.descriptor, size: -1 } }), undefined, /manifests\.0\.size/],
  ] as const satisfies readonly (readonly [string, Files, string | undefined, RegExp])[]) {
    test(`a layout with ${what} is refused, and it is said what is wrong`, async () => {
      const written = Object.keys(files).length;
      assert.ok(written > 0);
      assert.match(await refusal(async () => await read(await inFolder(files), tag)), message);
    });
  }

  test("a hostile layer is refused with layer and entry named", async () => {
    const files = layout(image([ONE, tar(file("../../etc/passwd", "x"))]));
    assert.match(
      await refusal(async () => await read(await inFolder(files))),
      /^ARCHIVE_REFUSED image: layer 2 of 2 \(sha256:[0-9a-f]{64}\): \.\.\/\.\.\/etc\/passwd: leads upwards/,
    );
  });

  test("what is no file is not opened: reading a device may never end", async () => {
    const at = join(work, "device");
    await writeFiles(at, without(layout(v1), "index.json"));
    await symlink("/dev/zero", join(at, "index.json"));
    assert.match(
      await refusal(async () => await read(folderOfBlobs("image", at, undefined))),
      /image: index\.json: is not a file/,
    );
  });

  test("a blob that changes after it was checked is refused", async () => {
    const at = join(work, "changing");
    await writeFiles(at, layout(v2));
    const { layers } = await ociImage(folderOfBlobs("image", at, undefined), undefined);
    const checkedLayers = await layers(() => {});
    await writeFile(join(at, layerBlob), gzipSync(ONE));
    await truncate(join(at, layerBlob), gzipSync(TWO).length);
    assert.match(
      await refusal(async () => await judgeLayers(checkedLayers, { whiteouts: true })),
      /BASE_DAMAGED|ARCHIVE_REFUSED/,
    );
  });

  for (const [what, bytes, tag] of [
    ["its only image", tarOf(saved([ONE, TWO])), undefined],
    ["the image with the tag", tarOf(saved([ONE, TWO], ["name:v1", "name:latest"])), "latest"],
    ["an image without tags", tarOf(saved([ONE], null)), undefined],
    ["compressed layers", tarOf(saved([{ layer: ONE, blob: gzipSync(ONE) }])), undefined],
  ] as const) {
    test(`an archive of docker's gives ${what}`, async () => {
      const found = await dockerImage(await inTar(bytes), tag);
      assert.ok((await namesOf(found)) > 1024);
      assert.match(found.digest, /^sha256:[0-9a-f]{64}$/);
    });
  }

  test("links among the layers of docker's archives are followed, inside the archive", async () => {
    const files = saved([ONE, ONE]);
    const entries = Object.entries(files).filter(([name]) => name !== "layer-1/layer.tar");
    const linked = tar(...entries.map(([name, data]) => ({ name, data })), link("layer-1/layer.tar", "../layer-0/layer.tar"));
    assert.ok((await namesOf(await dockerImage(await inTar(linked), undefined))) > 1024);
    const hard = tar(...entries.map(([name, data]) => ({ name, data })), hardLink("layer-1/layer.tar", "layer-0/layer.tar"));
    assert.ok((await namesOf(await dockerImage(await inTar(hard), undefined))) > 1024);
  });

  const config = Object.keys(saved([ONE])).find((name) => name.endsWith(".json") && name !== "manifest.json")!;
  const manifestOf = (more: object): string =>
    JSON.stringify([{ Config: config, RepoTags: ["name:v1"], Layers: ["layer-0/layer.tar"], ...more }]);
  for (const [what, bytes, tag, message] of [
    ["no manifest", tarOf({ a: "b" }), undefined, /BASE_INVALID image\.tar: has no manifest\.json/],
    ["no image", tarOf({ "manifest.json": "[]" }), undefined, /has no image/],
    [
      "a tag that is not there",
      tarOf(saved([ONE])),
      "v9",
      /has no image with the tag v9 \(Set `base\.tag` to one of: "name:v1"\.\)/,
    ],
    [
      "another configuration than it says",
      tarOf({ ...saved([ONE]), [config]: "{}" }),
      undefined,
      /BASE_DAMAGED .*has the digest sha256/,
    ],
    [
      "a configuration outside",
      tarOf({ ...saved([ONE]), "manifest.json": manifestOf({ Config: "../../etc/passwd" }) }),
      undefined,
      /names "\.\.\/\.\.\/etc\/passwd", which is no file of it/,
    ],
    [
      "an absolute layer",
      tarOf({ ...saved([ONE]), "manifest.json": manifestOf({ Layers: ["/etc/passwd"] }) }),
      undefined,
      /names "\/etc\/passwd"/,
    ],
    [
      "a layer that is not there",
      tarOf({ ...saved([ONE]), "manifest.json": manifestOf({ Layers: ["x"] }) }),
      undefined,
      /has no x/,
    ],
    [
      "another layer than its configuration says",
      tarOf(saved([{ layer: ONE, blob: TWO }])),
      undefined,
      /BASE_DAMAGED image\.tar: layer 1 of 1 \(layer-0\/layer\.tar\)/,
    ],
    ["another platform", tarOf(saved([ONE], null, ARM64)), undefined, /the image is for linux\/arm64/],
    ["a name that leads upwards", tar(file("../x")), undefined, /ARCHIVE_REFUSED image\.tar: \.\.\/x: leads upwards/],
    ["a file twice", tar(file("manifest.json"), file("manifest.json")), undefined, /manifest\.json: is there twice/],
    ["a device", tar({ name: "manifest.json", flag: "3", device: [1, 5] }), undefined, /is a character device or pipe/],
    ["a link that leads out", tar(link("manifest.json", "../../../../etc/passwd")), undefined, /has no manifest\.json/],
    ["a loop of links", tar(link("manifest.json", "a"), link("a", "manifest.json")), undefined, /leads through a loop of links/],
    ["a sparse file", tar({ name: "manifest.json", flag: "S" }), undefined, /is packed as a sparse file/],
  ] as const) {
    test(`an archive of docker's with ${what} is refused`, async () => {
      assert.match(await refusal(async () => await namesOf(await dockerImage(await inTar(bytes), tag))), message);
    });
  }
});

test("whatever a document says, it is read or refused", () => {
  const documents = [
    layout(image([ONE], { tag: "v1" }))["index.json"] as string,
    JSON.stringify([{ Config: "x.json", RepoTags: ["a:b"], Layers: ["l"] }]),
    ...Object.values(image([ONE]).files).filter((value) => typeof value === "string"),
  ];
  const odd = fc.oneof(
    fc.constantFrom("null", "[]", "{}", "-1", "1e400", '""', '"\\u0000"', "[".repeat(5000), "__proto__"),
    fc.json(),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.constantFrom(...documents), fc.nat(), fc.nat(20), odd, (text, at, length, inserted) => {
      const start = at % (text.length + 1);
      const changed = text.slice(0, start) + inserted + text.slice(start + length);
      for (const parse of [
        (value: string) => forPlatform(tagged(parseIndex(value, "x"), undefined, "x"), "x"),
        (value: string) => parseManifest(value, "x"),
        (value: string) => createdTime(parseConfig(value, "x")),
        (value: string) => savedImage(parseSaved(value, "x"), undefined, "x"),
      ]) {
        try {
          parse(changed);
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
        }
      }
    }),
    { numRuns: 1000 },
  );
});

for (const [created, seconds] of [
  ["2024-05-06T07:08:09Z", 1_714_979_289],
  ["2024-05-06T07:08:09.999999999Z", 1_714_979_289],
  ["2024-05-06T09:08:09+02:00", 1_714_979_289],
  ["1970-01-01T00:00:00Z", undefined],
  ["0001-01-01T00:00:00Z", undefined],
  ["2024-13-06T07:08:09Z", undefined],
  ["yesterday", undefined],
  ["", undefined],
  [null, undefined],
] as const) {
  test(`an image that was made at ${JSON.stringify(created)} is dated ${seconds}`, () => {
    const text = JSON.stringify({ os: "linux", architecture: "amd64", created, rootfs: { type: "layers", diff_ids: [] } });
    assert.equal(createdTime(parseConfig(text, "x")), seconds);
  });
}
