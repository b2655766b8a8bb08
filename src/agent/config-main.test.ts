/** The program itself, with a `/run` of its own: a function of it that uses what is below it fails at its first call only. */
import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { run } from "../host/run.ts";
import { encodeImageFacts } from "../layout/image-facts.ts";
import { encodeRunConfig, NO_RUN_CONFIG, parseRunConfig } from "../layout/run-config.ts";
import type { ConfigWork } from "./config/work.ts";

const MAIN = join(import.meta.dirname, "config-main.ts");
const isRoot = process.getuid!() === 0;
const FACTS = { format: 1, slot: "ram", file: "", rootHash: "", partitions: {}, notes: [], reached: {} };

/** A system that runs from memory, and was given a config with its initrd. */
async function machine(folder: string): Promise<void> {
  const files: Readonly<Record<string, string>> = {
    "boot.json": JSON.stringify(FACTS),
    "config.json": encodeRunConfig({ ...NO_RUN_CONFIG, wanted: "the system runs from memory" }),
    "config-wanted": "the system runs from memory\n",
    "config-sources": "petrify-sources 1\n/run/petrify/machine.yaml 5f0c9a11\n",
    "machine.yaml": "#cloud-config\ndrift: off\ntimezon: UTC\n",
    "root/usr/lib/petrify/image.json": encodeImageFacts({ name: "test", version: "1.0.0", created: 1, persistent: [] }),
    "root/etc/os-release": "ID=debian\n",
    "root/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
    "root/etc/group": "root:x:0:\n",
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, "petrify", path)), { recursive: true });
    await writeFile(join(folder, "petrify", path), text);
  }
}

/** @returns its last line, and its log */
async function work(folder: string, request: ConfigWork): Promise<{ readonly answer: object; readonly log: string }> {
  const script = 'mount --bind "$1" /run && shift && exec "$@"';
  const argv = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", script, "sh", folder] as const;
  const { stdout, stderr } = await run([...argv, process.execPath, "--disable-warning=ExperimentalWarning", MAIN], {
    stdin: JSON.stringify(request),
  });
  return { answer: JSON.parse(stdout.trim().split("\n").at(-1)!) as object, log: stderr };
}

test(
  "a boot takes what came with it, leaves out what is wrong, and tells; what it has seen need not be looked at again",
  { skip: !isRoot },
  async () => {
    await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-config-"));
    await machine(dir.path);
    const boot = await work(dir.path, { do: "boot" });
    assert.partialDeepStrictEqual(boot.answer, { changed: true, generation: 1 });
    assert.match(boot.log, /^<4>left out of machine config 1: \/run\/petrify\/machine\.yaml:3:1: timezon: is not a key/m);
    assert.match(boot.log, /^<6>machine config 1 is in place$/m);
    const at = (name: string): string => join(dir.path, "petrify", name);
    const running = parseRunConfig(await readFile(at("config.json"), "utf8"));
    assert.deepEqual([running?.generation, running?.wanted], [1, undefined]);
    assert.equal(await readFile(at("generations/sources"), "utf8"), await readFile(at("config-sources"), "utf8"));

    const again = await work(dir.path, { do: "boot" });
    assert.deepEqual(again.answer, { same: true, problems: [] });
    await writeFile(at("machine.yaml"), "#cloud-config\ndrift: mend\n");
    assert.partialDeepStrictEqual((await work(dir.path, { do: "boot" })).answer, { changed: true, generation: 2 });
  },
);

test("every place is looked at by the same program, by itself and for a change", { skip: !isRoot }, async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-config-"));
  await machine(dir.path);
  const { answer } = await work(dir.path, { do: "find" });
  const [document] = (answer as { readonly documents: readonly object[] }).documents;
  assert.partialDeepStrictEqual(document, {
    origin: "/run/petrify/machine.yaml",
    text: "#cloud-config\ndrift: off\ntimezon: UTC\n",
  });
  const told = await work(dir.path, { do: "sources", local: true });
  assert.ok(!JSON.stringify(told.answer).includes("timezon: UTC"));
  assert.match(JSON.stringify(told.answer), /"origin":"\/run\/petrify\/machine\.yaml"/);
});

test("one that fails says so in its answer, and in its log", { skip: !isRoot }, async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-config-"));
  await machine(dir.path);
  await writeFile(join(dir.path, "petrify/root/usr/lib/petrify/image.json"), "{}");
  const { answer, log } = await work(dir.path, { do: "boot" });
  assert.partialDeepStrictEqual(answer, { error: { code: "IMAGE_FACTS_INVALID" } });
  assert.match(log, /^<3>the machine config: /m);
});
