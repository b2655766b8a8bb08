import assert from "node:assert/strict";
import { open, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { petrify, workspace, type CliRun, type Workspace } from "../../tests/support/cli.ts";
import { smallSystem } from "../../tests/support/small-system.ts";
import { testTools } from "../../tests/support/tools.ts";
import { run } from "../host/run.ts";
import { treeImage } from "../../tests/support/tree-image.ts";

let folder: Workspace;
before(async () => {
  folder = await workspace();
  const tools = await testTools();
  await treeImage(tools, smallSystem, join(folder.folder, "a.img"));
  const changed = smallSystem.map((one) => (one.path === "etc/app.conf" ? { ...one, data: "two=2\n", mode: 0o600 } : one));
  const more = [
    { path: "usr/share/app/one", data: "1" },
    { path: "usr/share/app/two", data: "2" },
  ];
  await treeImage(tools, [...changed, ...more], join(folder.folder, "b.img"), { facts: { version: "1.2.4" } });
  const hardened = smallSystem
    .filter(({ path }) => path !== "usr/bin/ping")
    .map((one) => (one.path === "usr/bin/su" ? { ...one, mode: 0o4711 } : one));
  await treeImage(tools, [...hardened, { path: "usr/bin/dash", data: "#!/bin/x\n", mode: 0o755 }], join(folder.folder, "c.img"));
});
after(async () => await folder[Symbol.asyncDispose]());
const cli = async (...args: string[]): Promise<CliRun> => await petrify(args, { cwd: folder.folder });
const valueOf = ({ events }: CliRun): Record<string, unknown> =>
  events.find(({ type }) => type === "result")!["value"] as Record<string, unknown>;

test("inspect says what an image holds, in 80 columns", async () => {
  const { exitCode, stdout, stderr } = await cli("inspect", "a.img");
  assert.equal(exitCode, 0, stderr);
  const words = stdout.split("\n");
  assert.ok(
    words.every((line) => line.length <= 80),
    stdout,
  );
  const lines = stdout.replaceAll(/[0-9a-f]{64}/g, "HASH").split("\n");
  assert.deepEqual(lines.slice(0, 6), [
    "image          test 1.2.3",
    "system         Debian GNU/Linux 13 (trixie)",
    "kernel         6.12.0-test (x86-64)",
    "init           systemd",
    "packages of    2023-11-14",
    "packages       2 (deb)",
  ]);
  assert.ok(lines.includes("privileged     /usr/bin/ping /usr/bin/su"));
  assert.ok(lines.includes("starts         app.service petrifyd.service"));
  assert.ok(lines.includes("log in         ann (ssh key), bob (password), eve (no password)"));
  assert.ok(lines.includes("root hash      HASH"));
});

test("inspect --json has all of it", async () => {
  const { manifest, packages, users, units, os, files } = valueOf(await cli("inspect", "a.img", "--json"));
  assert.equal((manifest as { name: string }).name, "test");
  assert.equal((packages as unknown[]).length, 2);
  assert.equal((users as unknown[]).length, 5);
  assert.equal((units as { masked: string[] }).masked[0], "masked.service");
  assert.equal((os as Record<string, string>)["ID"], "debian");
  assert.ok((files as { count: number }).count > 20);
});

test("inspect --packages is a table", async () => {
  const { stdout } = await cli("inspect", "a.img", "--packages");
  assert.equal(stdout, "bash   5.2.37-2  amd64\nlibc6  2.41-12   amd64\n");
});

test("inspect --sbom prints a document, or writes it; the same twice", async () => {
  const main = resolve(import.meta.dirname, "main.ts");
  const { stdout } = await run([process.execPath, main, "inspect", "a.img", "--sbom", "cyclonedx"], { cwd: folder.folder });
  assert.equal((JSON.parse(stdout) as { bomFormat: string }).bomFormat, "CycloneDX");
  for (const name of ["one.json", "two.json"]) {
    const { exitCode, stderr } = await cli("inspect", "a.img", "--sbom", "spdx", "-o", name);
    assert.equal(exitCode, 0, stderr);
  }
  const one = await readFile(join(folder.folder, "one.json"), "utf8");
  assert.equal(one, await readFile(join(folder.folder, "two.json"), "utf8"));
  assert.equal((JSON.parse(one) as { spdxVersion: string }).spdxVersion, "SPDX-2.3");
  const wrong = await cli("inspect", "a.img", "-o", "x.json");
  assert.equal(wrong.exitCode, 2);
  assert.match(wrong.stderr, /--sbom/);
});

test("inspect --attack-surface counts and lists what an attacker would find, in 80 columns", async () => {
  const { exitCode, stdout, stderr } = await cli("inspect", "a.img", "--attack-surface");
  assert.equal(exitCode, 0, stderr);
  const lines = stdout.split("\n");
  assert.ok(
    lines.every((line) => line.length <= 80),
    stdout,
  );
  const rows = lines.map((line) => line.replaceAll(/ +/g, " "));
  for (const row of [
    "shells 1 /usr/bin/bash",
    "change the user 1 /usr/bin/su",
    "set-uid 1 /usr/bin/su",
    "capabilities 1 /usr/bin/ping",
    "compilers 0",
  ]) {
    assert.ok(rows.includes(row), stdout);
  }
  const all = await cli("inspect", "a.img", "--attack-surface", "--all", "--only", "setuid,capability");
  assert.match(
    all.stdout,
    /^set-uid +1\n {2}\/usr\/bin\/su {2}\(4755, user 0, group 0\)\ncapabilities +1\n {2}\/usr\/bin\/ping {2}\(cap_net_raw=ep\)\n/,
  );
});

test("inspect --attack-surface --json has every finding with its kind", async () => {
  const { counts, findings } = valueOf(await cli("inspect", "a.img", "--attack-surface", "--only", "setuid", "--json"));
  assert.deepEqual(findings, [{ kind: "setuid", name: "/usr/bin/su", detail: "4755, user 0, group 0" }]);
  assert.equal((counts as Record<string, number>)["shell"], 1);
});

test("diff-image --attack-surface says what an attacker would find in one image and not in the other", async () => {
  const { exitCode, stdout, stderr } = await cli("diff-image", "a.img", "c.img", "--attack-surface");
  assert.equal(exitCode, 0, stderr);
  assert.equal(
    stdout,
    "executables: 4 → 4\n  - /usr/bin/ping  (of no known format)\n  + /usr/bin/dash  (script of /bin/x)\nshells: 1 → 2\n  + /usr/bin/dash\n" +
      "set-uid: 1 → 1\n  ~ /usr/bin/su  (4755, user 0, group 0 → 4711, user 0, group 0)\ncapabilities: 1 → 0\n  - /usr/bin/ping  (cap_net_raw=ep)\n",
  );
  const same = await cli("diff-image", "a.img", "a.img", "--attack-surface", "--fail-on-growth");
  assert.deepEqual([same.exitCode, same.stdout], [0, "Nothing that an attacker would find differs.\n"]);
});

for (const [what, from, to, options, code] of [
  ["more than before", "a.img", "c.img", [], 1],
  ["less of the kind that is asked for", "a.img", "c.img", ["--only", "capability"], 0],
  ["another detail", "a.img", "c.img", ["--only", "setuid"], 1],
  ["the other way round a program again", "c.img", "a.img", ["--only", "executable"], 1],
  ["less, where anything that differs counts", "a.img", "c.img", ["--only", "capability", "--exit-code"], 1],
] as const) {
  test(`diff-image --attack-surface --fail-on-growth ends with ${code} for ${what}`, async () => {
    assert.equal((await cli("diff-image", from, to, "--attack-surface", "--fail-on-growth", ...options)).exitCode, code);
  });
}

for (const [name, args] of [
  ["attack-surface", ["inspect", "a.img", "--attack-surface"]],
  ["attack-surface-diff", ["diff-image", "a.img", "c.img", "--attack-surface"]],
] as const) {
  test(`what ${args[0]} --attack-surface --json prints is as schemas/${name}.json has it`, async () => {
    const schema = JSON.parse(await readFile(resolve(import.meta.dirname, `../../schemas/${name}.json`), "utf8")) as object;
    const validate = new Ajv2020({ allErrors: true }).compile(schema);
    const value = valueOf(await cli(...args, "--json"));
    assert.ok(validate(value), JSON.stringify(validate.errors));
    assert.ok(!validate({ ...value, more: 1 }), "the schema is one that refuses something");
  });
}

test("inspect --attack-surface --fail-on ends with 1 when there is anything of a kind", async () => {
  for (const [kinds, code] of [
    ["compiler,debugger", 0],
    ["compiler,shell", 1],
  ] as const) {
    const { exitCode, stdout } = await cli("inspect", "a.img", "--attack-surface", "--fail-on", kinds);
    assert.equal(exitCode, code);
    assert.match(stdout, /^shells /m);
  }
});

for (const [what, args, code, words] of [
  [
    "a kind of finding that there is not",
    ["inspect", "a.img", "--attack-surface", "--only", "hats"],
    2,
    /Kinds are executable, shell,/,
  ],
  ["a list of all of nothing", ["inspect", "a.img", "--all"], 2, /Add --attack-surface/],
  ["a growth of nothing", ["diff-image", "a.img", "a.img", "--fail-on-growth"], 2, /Add --attack-surface/],
  ["an attack surface by files", ["diff-image", "a.img", "a.img", "--attack-surface", "--files"], 2, /one at a time/],
  ["an attack surface as a bill", ["inspect", "a.img", "--attack-surface", "--sbom", "spdx"], 2, /one at a time/],
  ["a file that is not there", ["inspect", "none.img"], 1, /none\.img cannot be read \(ENOENT\)\nhint: Make one/],
  ["a folder", ["inspect", "."], 1, /cannot be read \(EISDIR\)/],
  [
    "what is no image",
    ["inspect", "noise"],
    1,
    /noise is not a system image: .*\nhint: Name a system image \(\.img\), not a disk\./,
  ],
  ["a form that is not known", ["inspect", "a.img", "--sbom", "swid"], 2, /swid/],
  ["a folder, to be verified", ["verify", "."], 1, /cannot be read \(EISDIR\)/],
  ["a file that is not there, to be compared", ["diff-image", "a.img", "none.img"], 1, /cannot be read \(ENOENT\)/],
] as const) {
  test(`${what} is refused in words`, async () => {
    await folder.write({ noise: "x".repeat(100_000) });
    const { exitCode, stderr } = await cli(...args);
    assert.equal(exitCode, code, stderr);
    assert.match(stderr, words);
    assert.doesNotMatch(stderr, /bug:/);
  });
}

test("diff-image says what differs; files by folder, those of /etc and all with --files by name", async () => {
  const { exitCode, stdout, stderr } = await cli("diff-image", "a.img", "b.img");
  assert.equal(exitCode, 0, stderr);
  const [head, files] = stdout.split("files:\n") as [string, string];
  assert.match(head, /^image:\n {2}~ version: 1\.2\.3 → 1\.2\.4\n/);
  assert.deepEqual(files.trimEnd().split("\n"), [
    "  ~ /etc/app.conf  (mode 0644 → 0600, content)",
    "  /usr/lib: 1 changed",
    "  /usr/share: 3 added",
  ]);
  const all = await cli("diff-image", "a.img", "b.img", "--files");
  assert.ok(all.stdout.includes("  + /usr/share/app/one\n  + /usr/share/app/two\n"));
});

test("diff-image ends with 0 unless asked; equal images with 0 always", async () => {
  assert.equal((await cli("diff-image", "a.img", "b.img", "--exit-code")).exitCode, 1);
  const same = await cli("diff-image", "a.img", "a.img", "--exit-code");
  assert.deepEqual([same.exitCode, same.stdout], [0, "Nothing differs.\n"]);
  assert.equal(valueOf(await cli("diff-image", "a.img", "b.img", "--json"))["same"], false);
});

test("verify ends with 0 for a whole image, and with 1 for a damaged one, which it names", async () => {
  const whole = await cli("verify", "a.img");
  assert.equal(whole.exitCode, 0, whole.stderr);
  assert.match(
    whole.stdout,
    /^test 1\.2\.3 is whole: every byte of 5 MiB is as the manifest has it\.\n[^]*signature {2}unsigned\n$/,
  );
  {
    await using handle = await open(join(folder.folder, "b.img"), "r+");
    await handle.write(Buffer.from([1]), 0, 1, 700_000);
  }
  const damaged = await cli("verify", "b.img");
  assert.equal(damaged.exitCode, 1);
  assert.match(damaged.stdout, /b\.img is DAMAGED:\n {2}outside {6}outside the partitions: byte 700000 is not zero\n$/);
  const { whole: isWhole, findings } = valueOf(await cli("verify", "b.img", "--json"));
  assert.equal(isWhole, false);
  assert.deepEqual(findings, [
    { part: "outside", what: "outside the partitions: byte 700000 is not zero", range: { start: 700_000, size: 1 } },
  ]);
});
