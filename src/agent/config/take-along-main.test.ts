/** The program itself, with a `/run` of its own: the image of the other slot is mounted, seen, and let go. */
import assert from "node:assert/strict";
import { cp, mkdir, mkdtempDisposable, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { smallSystem } from "../../../tests/support/small-system.ts";
import { testTools } from "../../../tests/support/tools.ts";
import { treeImage, type TreeImageOptions } from "../../../tests/support/tree-image.ts";
import { readManifest } from "../../build/read-manifest.ts";
import { openGenerationStore } from "../../host/generation-store.ts";
import { run } from "../../host/run.ts";
import { encodeImageFacts } from "../../layout/image-facts.ts";
import { NO_KERNEL_ARGS } from "../../layout/kernel-args.ts";
import { readGeneration } from "./generation-files.ts";
import type { ConfigAnswers, ConfigWork } from "./work.ts";

const MAIN = join(import.meta.dirname, "../config-main.ts");
const isRoot = process.getuid!() === 0;
const BERLIN = "usr/share/zoneinfo/Europe/Berlin";
const GROUP = { path: "etc/group", data: "root:x:0:\n" };

type Answer = Partial<ConfigAnswers["take-along"]> & { readonly error?: { readonly code: string; readonly message: string } };
/** Its last line. @param folder its `/run` */
async function work(folder: string, request: ConfigWork): Promise<Answer> {
  const script = 'mount --bind "$1" /run && shift && exec "$@"';
  const argv = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", script, "sh", folder] as const;
  const { stdout } = await run([...argv, process.execPath, "--disable-warning=ExperimentalWarning", MAIN], {
    stdin: JSON.stringify(request),
  });
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as Answer;
}

/** That runs slot a, whose image knows Berlin. @returns what is at a path of it */
async function machine(folder: string): Promise<(path: string) => string> {
  const at = (path: string): string => join(folder, "petrify", path);
  const files: Readonly<Record<string, string>> = {
    "boot.json": JSON.stringify({ format: 1, slot: "a", file: "/a.img", rootHash: "", partitions: {}, notes: [], reached: {} }),
    "root/usr/lib/petrify/image.json": encodeImageFacts({ name: "test", version: "1.0.0", created: 1, persistent: ["/home"] }),
    "root/etc/os-release": "ID=debian\n",
    "root/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
    "root/etc/group": GROUP.data,
    [`root/${BERLIN}`]: "TZif",
    "images/none": "",
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(at(path)), { recursive: true });
    await writeFile(at(path), text);
  }
  return at;
}

test("a config is made for the image in the other slot, which is seen without being booted", { skip: !isRoot }, async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-along-"));
  const at = await machine(folder.path);
  const tools = await testTools();
  const image = async (version: string, more: typeof smallSystem, options: TreeImageOptions = {}): Promise<string> => {
    const path = join(folder.path, `${version}.img`);
    await treeImage(tools, [...smallSystem, GROUP, ...more], path, { facts: { version }, ...options });
    return (await readManifest(tools, path)).digest;
  };
  const good = await image("2.0.0", [{ path: BERLIN, data: "TZif" }]);
  const packed = await image("3.0.0", [], { form: ["-zlz4hc"] });
  await cp(join(folder.path, "2.0.0.img"), at("images/b.img"));

  const documents = [{ origin: "x.yaml", text: "#cloud-config\nhostname: web\ntimezone: Europe/Berlin\n" }];
  await work(folder.path, { do: "apply", mode: "staged", documents });
  assert.deepEqual(await work(folder.path, { do: "take-along", slot: "b", digest: good }), {
    generation: 2,
    kernelArgs: NO_KERNEL_ARGS,
  });
  assert.deepEqual(await work(folder.path, { do: "take-along", slot: "b", digest: good }), {
    generation: 2,
    kernelArgs: NO_KERNEL_ARGS,
  });
  const store = await openGenerationStore(at("generations"));
  assert.deepEqual(store.slots().slots, { a: { generation: 1 }, b: { generation: 2 } });
  const { compiled } = (await readGeneration(store, 2))!.compiled;
  assert.deepEqual([compiled.image.version, compiled.hostname], ["2.0.0", "web"]);

  assert.equal((await work(folder.path, { do: "take-along", slot: "b", digest: packed })).error?.code, "IMAGE_CHANGED");
  await cp(join(folder.path, "3.0.0.img"), at("images/b.img"));
  const { error } = await work(folder.path, { do: "take-along", slot: "b", digest: packed });
  assert.equal(error?.code, "CONFIG_UNSUPPORTED");
  assert.match(error.message, /test 3\.0\.0 cannot do all that the config says:\n {2}timezone: the image has no time zones/);
  assert.deepEqual((await openGenerationStore(at("generations"))).slots().slots.b, { generation: 2 });
  assert.ok(!(await readdir(at("."))).includes("other-image"), "nothing is left mounted");
});
