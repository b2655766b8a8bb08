import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { suite, test } from "node:test";
import { smallSystem } from "../../../tests/support/small-system.ts";
import { testTools } from "../../../tests/support/tools.ts";
import { treeImage } from "../../../tests/support/tree-image.ts";
import { runForTest, type Ran } from "../testing.ts";

async function desk(files: Readonly<Record<string, string | Uint8Array>>) {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-config-"));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder.path, name), text);
  return {
    cwd: folder.path,
    config: async (line: string, input?: string): Promise<Ran> =>
      await runForTest(["config", ...line.split(" ")], {
        cwd: folder.path,
        ...(input === undefined ? {} : { input: Readable.from([input]) }),
      }),
    [Symbol.asyncDispose]: async () => await folder.remove(),
  };
}
const jsonLines = ({ out }: Ran): Record<string, unknown>[] =>
  out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

suite("petrify config validate", () => {
  test("says nothing but that all is well, and what is without effect", async () => {
    await using at = await desk({ "a.yaml": "#cloud-config\nhostname: a\nresize_rootfs: true\n" });
    assert.deepEqual(await at.config("validate a.yaml"), {
      exitCode: 0,
      out: "a.yaml is as a machine config should be.\n",
      err: "note: a.yaml:3:1: resize_rootfs: is without effect: the root is part of the image; the data partition grows by itself\n",
    });
  });

  test("tells every problem of every document, and exits with 1", async () => {
    await using at = await desk({ "a.yaml": "#cloud-config\nhostnam: a\n", "b.yaml": "#cloud-config\ntimezone: 5\n" });
    const { exitCode, err } = await at.config("validate a.yaml b.yaml");
    assert.equal(exitCode, 1);
    assert.equal(
      err,
      "error: a.yaml:2:1: hostnam: is not a key of a machine config, did you mean hostname?\n" +
        "b.yaml:2:11: timezone: must be text, found a number (Put it in quotes)\nhint: Every key is explained in docs/machine-config.md.\n",
    );
    const lines = jsonLines(await at.config("validate a.yaml b.yaml --json"));
    assert.deepEqual(
      lines.map(({ type, origin, line, path }) => [type, origin, line, path]),
      [
        ["problem", "a.yaml", 2, "hostnam"],
        ["problem", "b.yaml", 2, "timezone"],
        ["error", undefined, undefined, undefined],
      ],
    );
  });

  test("reads stdin, and says which file it cannot read", async () => {
    await using at = await desk({
      "big.yaml": `#cloud-config\n#${"x".repeat(1024 * 1024)}`,
      "bad.yaml": new Uint8Array([0x23, 0xff]),
    });
    assert.equal((await at.config("validate -", "#cloud-config\nhostname: a\n")).exitCode, 0);
    assert.match((await at.config("validate -", "hostname: a\n")).err, /^error: stdin:1:1: is no machine config/);
    assert.match((await at.config("validate none.yaml")).err, /none\.yaml cannot be read/);
    assert.match((await at.config("validate big.yaml")).err, /more than 1024 KiB/);
    assert.match((await at.config("validate bad.yaml")).err, /is not UTF-8/);
  });
});

test("petrify config validate --image tells what the image cannot do", async () => {
  await using at = await desk({
    "good.yaml":
      "#cloud-config\nhostname: a\nusers: [{ name: ops, shell: /bin/bash }]\nwrite_files: [{ path: /etc/a, owner: '0:0', content: x }]\n",
    "bad.yaml": "#cloud-config\ntimezone: Europe/Paris\nusers: [{ name: ops, shell: /bin/zsh }]\npassword: hunter2-hunter2\n",
    "paris.yaml": "#cloud-config\ntimezone: Europe/Paris\nusers: [{ name: ops, shell: /bin/zsh }]\n",
  });
  await treeImage(await testTools(), [{ path: "bin", target: "usr/bin" }, ...smallSystem], join(at.cwd, "os.img"));
  const good = await at.config("validate good.yaml --image os.img");
  assert.deepEqual(
    [good.exitCode, good.out],
    [0, "good.yaml is as a machine config should be, and test 1.2.3 can do all of it.\n"],
    good.err,
  );
  const { exitCode, err } = await at.config("validate paris.yaml --image os.img");
  assert.equal(exitCode, 1);
  assert.match(err, /the image test 1\.2\.3 cannot do all that the config says:\n/);
  assert.match(err, /timezone: the image has no time zones/);
  assert.match(err, /users\[ops\]\.shell: \/bin\/zsh is not in the image/);
  const lines = jsonLines(await at.config("validate paris.yaml --image os.img --json"));
  assert.deepEqual(
    lines.filter(({ type }) => type === "problem").map(({ path }) => path),
    ["users[ops].shell", "timezone"],
  );
  assert.doesNotMatch((await at.config("validate bad.yaml --image os.img")).err, /the image/, "the document comes first");
});

suite("petrify config render", () => {
  const files = {
    "fleet.yaml": "#cloud-config\nhostname: a\nenvironment: { TOKEN: hunter2 }\n",
    "node.yaml": "#cloud-config\nhostname: b\n",
    "newer.yaml": "#cloud-config\nhostname: c\nfrom_the_future: {}\n",
  };

  test("shows each value with its source, and no secret", async () => {
    await using at = await desk(files);
    const { out } = await at.config("render fleet.yaml node.yaml");
    assert.equal(out, "#cloud-config\nhostname: b # node.yaml:2\nenvironment:\n  TOKEN: <secret> # fleet.yaml:3\n");
    assert.match((await at.config("render fleet.yaml --show-secrets")).out, /TOKEN: hunter2 # fleet\.yaml:3/);
    const [result] = jsonLines(await at.config("render fleet.yaml node.yaml --json"));
    assert.doesNotMatch(JSON.stringify(result), /hunter2/);
    assert.deepEqual((result!["value"] as { sources: object }).sources, {
      hostname: "node.yaml:2",
      "environment.TOKEN": "fleet.yaml:3",
    });
  });

  test("refuses what is wrong, or leaves it out as a boot does", async () => {
    await using at = await desk(files);
    assert.equal((await at.config("render newer.yaml")).exitCode, 1);
    const { out, err } = await at.config("render newer.yaml --at-boot");
    assert.equal(out, "#cloud-config\nhostname: c # newer.yaml:2\n");
    assert.match(err, /^left out: newer\.yaml:3:1: from_the_future/);
  });
});

test("petrify config schema prints the schema, or writes it", async () => {
  await using at = await desk({});
  const { out } = await at.config("schema");
  assert.equal((JSON.parse(out) as { title: string }).title, "petrify machine config");
  await at.config("schema -o s.json");
  assert.equal(await readFile(join(at.cwd, "s.json"), "utf8"), out);
  await mkdir(join(at.cwd, "taken"));
  const { exitCode, err } = await at.config("schema -o taken");
  assert.equal(exitCode, 1);
  assert.match(err, /^error: \S+\/taken cannot be used: it is a folder/);
  assert.deepEqual((await readdir(at.cwd)).toSorted(), ["s.json", "taken"]);
});
