import assert from "node:assert/strict";
import { test } from "node:test";
import { blobPath, imageConfig, imageIndex, imageManifest, OCI_MEDIA, tagOfVersion, type ContainerFacts } from "./oci-image.ts";

const FACTS: ContainerFacts = { name: "kiosk", version: "1.4.0", created: 1_700_000_000, rootHash: "ab", init: "/sbin/init" };
const at = (mediaType: string) => ({ mediaType, digest: `sha256:${"0".repeat(64)}`, size: 7 });

test("the configuration says what runs, what it is, and what the layer is", () => {
  const config = JSON.parse(imageConfig({ ...FACTS, stopSignal: "SIGRTMIN+3" }, "sha256:11")) as Record<string, unknown>;
  assert.deepEqual(config, {
    created: "2023-11-14T22:13:20Z",
    architecture: "amd64",
    os: "linux",
    config: {
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      Cmd: ["/sbin/init"],
      Labels: {
        "org.opencontainers.image.created": "2023-11-14T22:13:20Z",
        "org.opencontainers.image.title": "kiosk",
        "org.opencontainers.image.version": "1.4.0",
        "petrify.root-hash": "ab",
      },
      StopSignal: "SIGRTMIN+3",
    },
    rootfs: { type: "layers", diff_ids: ["sha256:11"] },
    history: [{ created: "2023-11-14T22:13:20Z", created_by: "petrify build" }],
  });
  assert.ok(!imageConfig(FACTS, "sha256:11").includes("StopSignal"));
});

test("the manifest carries the root hash, the index the tag", () => {
  const manifest = JSON.parse(imageManifest(FACTS, at(OCI_MEDIA.config), [at(OCI_MEDIA.layer)])) as {
    annotations: Record<string, string>;
  };
  assert.equal(manifest.annotations["petrify.root-hash"], "ab");
  const index = JSON.parse(imageIndex(at(OCI_MEDIA.manifest), "1.4.0")) as { manifests: object[] };
  assert.deepEqual(index.manifests, [
    {
      ...at(OCI_MEDIA.manifest),
      platform: { architecture: "amd64", os: "linux" },
      annotations: { "org.opencontainers.image.ref.name": "1.4.0" },
    },
  ]);
  assert.equal(blobPath("sha256:00ff"), "blobs/sha256/00ff");
});

test("every version of an image is a tag", () => {
  for (const [version, tag] of [
    ["1.4.0", "1.4.0"],
    ["1.0+build~1", "1.0-build-1"],
  ] as const) {
    assert.equal(tagOfVersion(version), tag);
  }
});
