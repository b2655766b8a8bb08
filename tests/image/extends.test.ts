import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run } from "../../src/host/run.ts";
import type { Tools } from "../../src/host/tools.ts";
import { petrify, recipe, workspace, type CliRun, type Workspace } from "../support/cli.ts";
import { testTools } from "../support/tools.ts";
import { takeCore } from "../support/turns.ts";

const COMMON = recipe(`files: [{ source: tree, target: / }]
users: [{ name: ann }]
units: { enable: [systemd-networkd.service] }
`);
const top = (name: string, below: string, more = ""): string =>
  `apiVersion: petrify/v1\nname: ${name}\nextends: ${below}\n${more}`;
const MORE = "files: [{ source: motd, target: /etc/motd, owner: ann }]\n";

describe(
  "an image that extends another",
  { timeout: 1_800_000, skip: process.env["PETRIFY_TEST"] !== "full" && "four builds: only in full runs" },
  () => {
    let user: Workspace;
    let tools: Tools;
    before(async () => {
      tools = await testTools();
      user = await workspace({
        "common/petrify.yaml": COMMON,
        "common/tree/etc/common": "common\n",
        "site/petrify.yaml": top("site", "../common", MORE),
        "site/motd": "hello\n",
        "one/petrify.yaml": top("site", "../common/out/test-0.1.0.img", MORE),
        "one/motd": "hello\n",
        "two/petrify.yaml": top("site", "../one/out/site-0.1.0.img", MORE),
        "two/motd": "hello\n",
      });
    });
    after(async () => await user[Symbol.asyncDispose]());
    const build = async (name: string): Promise<CliRun> => {
      await using _ = await takeCore();
      return await petrify(["build", name, "--json"], { cwd: user.folder });
    };
    const built = async (name: string): Promise<string> => {
      const made = await build(name);
      assert.equal(made.exitCode, 0, made.stdout + made.stderr);
      const { image, manifest } = made.events.find(({ type }) => type === "result")!["value"] as {
        image: string;
        manifest: { rootHash: string };
      };
      assert.match(manifest.rootHash, /^[0-9a-f]{64}$/);
      return image;
    };
    const rootHashOf = async (name: string): Promise<string> =>
      (JSON.parse(await readFile(join(user.folder, name, "out/site-0.1.0.manifest.json"), "utf8")) as { rootHash: string })
        .rootHash;

    test("through recipes and through an image comes the same system; upon that again, the very same", async (t) => {
      await built("common");
      await built("site");
      await built("one");
      await built("two");
      t.diagnostic(`root hashes: ${await rootHashOf("site")} ${await rootHashOf("one")} ${await rootHashOf("two")}`);
      assert.equal(await rootHashOf("two"), await rootHashOf("one"));
      assert.equal(await rootHashOf("one"), await rootHashOf("site"));
    });
    test("owners, the files of both and the kernel are there", async () => {
      const image = join(user.folder, "one/out/site-0.1.0.img");
      const { stdout: table } = await run(["sfdisk", "--json", image]).catch(
        async () => await tools.run(["sfdisk", "--json", image], { binds: [{ source: image }] }),
      );
      const { partitions } = (JSON.parse(table) as { partitiontable: { partitions: { name: string; start: number }[] } })
        .partitiontable;
      const offset = partitions.find(({ name }) => name === "root")!.start * 512;
      const folder = join(user.folder, "look");
      const options = { binds: [{ source: user.folder, writable: true }], anyOwner: true };
      await tools.run(["fsck.erofs", `--offset=${offset}`, `--extract=${folder}`, "--xattrs", "--preserve", image], options);
      const script = `
import os, sys
at = lambda p: os.path.join(sys.argv[1], p)
print(open(at("etc/motd")).read() + open(at("etc/common")).read() + open(at("etc/hostname")).read())
print(os.stat(at("etc/motd")).st_uid)
print([l for l in open(at("etc/passwd")) if l.startswith("ann:")], sorted(os.listdir(at("boot"))))
`;
      const { stdout } = await tools.run(["python3", "-c", script, folder], options);
      assert.match(stdout, /^hello\ncommon\nsite\n\n1000\n\['ann:x:1000:1000:/);
      assert.match(stdout, /\] \[\]\n$/);
      await tools.run(["rm", "--recursive", folder], options);
    });
  },
);
