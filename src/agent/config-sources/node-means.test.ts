import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isoVolume } from "../../../tests/support/iso-volumes.ts";
import { writeText } from "../../host/files.ts";
import { replaceFile } from "../../host/replace-file.ts";
import { encodeRunFacts } from "../../layout/run-facts.ts";
import { findConfig } from "../config-sources.ts";
import { nodeSources } from "./node-means.ts";

test("a machine's places are read where they are, and no value of theirs is in what is told", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-sources-"));
  const facts = encodeRunFacts({ slot: "a", file: "/a.img", rootHash: "", partitions: {}, notes: [], reached: {} });
  const files = {
    "run/petrify/boot.json": facts,
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "proc/cmdline": "petrify.config_url=http://127.0.0.1:2/c?token=hunter2",
    "oem/machine.yaml": "#cloud-config\nhostname: a\npassword: hunter2\n",
    "oem/broken.yaml": "#cloud-config\na: [hunter2\n",
    "usr/local/cloud-config/a.yaml": "#cloud-config\ntimezone: UTC\n",
    "sys/class/block/sr0/size": "720\n",
    "sys/class/dmi/id/product_serial": "ds=nocloud;i=iid-9\n",
    "sys/firmware/qemu_fw_cfg/by_name/opt/org.petrify/config/raw": "#cloud-config\nlocale: C\n",
    "dev/null": "",
  };
  for (const [path, text] of Object.entries(files)) await writeText(join(folder.path, path), text);
  await replaceFile(join(folder.path, "dev/sr0"), isoVolume("genisoimage -V CIDATA -J -r"));
  const means = await nodeSources({
    root: folder.path,
    kept: [],
    hasData: async () => await Promise.resolve(true),
    signal: new AbortController().signal,
  });
  const { documents, sources, problems, instance, waitsForNetwork } = await findConfig(means, "network");
  assert.deepEqual(
    documents.map(({ origin }) => origin),
    [
      "/oem/machine.yaml",
      "/usr/local/cloud-config/a.yaml",
      "cidata/meta-data",
      "cidata/user-data",
      "nocloud/meta-data",
      "fw_cfg/opt/org.petrify/config",
    ],
  );
  assert.deepEqual(problems, [
    "/oem/broken.yaml:3:1: the indentation does not fit",
    "http://127.0.0.1:2/c?5ecb2a32 cannot be read: connect ECONNREFUSED 127.0.0.1:2",
  ]);
  assert.equal(sources.find(({ name }) => name === "nocloud")?.place, "/dev/sr0");
  assert.deepEqual([instance, waitsForNetwork], ["iid-9", true]);
  assert.doesNotMatch(JSON.stringify(sources), /hunter2/);
});
