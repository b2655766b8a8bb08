import assert from "node:assert/strict";
import { lstat, mkdtempDisposable, readlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { elf } from "../../../tests/support/elf.ts";
import { testTools } from "../../../tests/support/tools.ts";
import { parseRecipe } from "../../config/parse-recipe.ts";
import { rootFs, type RootFs } from "../../host/rootfs.ts";
import { run } from "../../host/run.ts";
import type { Tree } from "../tree.ts";
import { sealTree } from "./seal-tree.ts";

const UNITS = "/usr/lib/systemd/system";
const PROGRAM = elf({ type: 2 });
/** What a tree has besides. */
type Files = Readonly<Record<string, string | Uint8Array>>;

async function tree(files: Files = {}): Promise<Tree & AsyncDisposable> {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-seal-"));
  const fs = rootFs(folder.path);
  await fs.link("/bin", "usr/bin");
  await fs.link("/usr/bin/sh", "dash");
  for (const path of ["/usr/bin/dash", "/usr/bin/ls", "/usr/sbin/nologin", "/usr/lib/systemd/systemd"])
    await fs.write(path, PROGRAM, 0o755);
  await fs.write("/etc/passwd", "root:x:0:0::/root:/bin/bash\nd:x:1:1::/:/usr/sbin/nologin\n");
  for (const [path, data] of Object.entries(files))
    await fs.write(path, data, typeof data === "string" && !data.startsWith("#!") ? 0o644 : 0o755);
  const tool: Tree["tool"] = async (argv) => (await run(argv)).stdout;
  return { fs, tool, [Symbol.asyncDispose]: async () => await folder[Symbol.asyncDispose]() };
}

const recipe = (more = ""): ReturnType<typeof parseRecipe> =>
  parseRecipe(
    `apiVersion: petrify/v1\nname: x\nversion: 1.0.0\nbase:\n  suite: trixie\nprofile: sealed\n${more}`,
    "petrify.yaml",
  );
const isMasked = async (fs: RootFs, path: string): Promise<boolean> =>
  (await readlink(join(fs.folder, path)).catch(() => "")) === "/dev/null";
const modeOf = async (fs: RootFs, path: string): Promise<number> => (await lstat(join(fs.folder, path))).mode & 0o7777;

test("a sealed tree has no shell and none of its scripts; what else there was stays", async () => {
  await using t = await tree({ "/usr/bin/script": "#!/bin/sh\n" });
  const said = await sealTree(t, recipe(), "systemd");
  assert.equal(said[0], "sealed: 2 programs are gone, 0 have lost their privileges");
  assert.match(said[1]!, /^nobody gets into a new machine of it/);
  for (const path of ["/usr/bin/dash", "/usr/bin/sh", "/usr/bin/script"])
    assert.equal(await lstat(join(t.fs.folder, path)).catch(() => "gone"), "gone", path);
  assert.ok(await t.fs.exists("/usr/bin/ls"));
  assert.equal(await t.fs.read("/etc/passwd"), "root:x:0:0::/root:/usr/sbin/nologin\nd:x:1:1::/:/usr/sbin/nologin\n");
});

test("programs lose their privileges, unless the recipe keeps them", async () => {
  await using t = await tree({ "/usr/bin/mount": PROGRAM, "/usr/bin/ping": PROGRAM, "/usr/bin/wall": PROGRAM });
  for (const [name, mode] of [
    ["mount", "4755"],
    ["ping", "4755"],
    ["wall", "2755"],
  ])
    await t.tool(["chmod", mode!, join(t.fs.folder, "usr/bin", name!)]);
  await sealTree(t, recipe("sealed: { keep: [{ path: /usr/bin/ping, reason: it pings }] }\n"), "systemd");
  assert.equal(await modeOf(t.fs, "/usr/bin/mount"), 0o755);
  assert.equal(await modeOf(t.fs, "/usr/bin/wall"), 0o755);
  assert.equal(await modeOf(t.fs, "/usr/bin/ping"), 0o4755);
});

/** Capabilities, owners and bits of programs, by the kernel. */
const MARK = `
import os, sys
for name, mode, gid, capable in (("ping", 0o4755, 0, True), ("mtr", 0o755, 0, True), ("wall", 0o2755, 5, False), ("kept", 0o4755, 5, True)):
    path = os.path.join(sys.argv[1], "usr/bin", name)
    os.chown(path, 0, gid)
    os.chmod(path, mode)
    if capable: os.setxattr(path, "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
`;
const LOOK = `
import os, sys
for name in ("kept", "mtr", "ping", "wall"):
    path = os.path.join(sys.argv[1], "usr/bin", name)
    print(name, oct(os.stat(path).st_mode & 0o7777), os.stat(path).st_gid, "capable" if "security.capability" in os.listxattr(path) else "")
`;
test("capabilities and set-id bits are gone from real files, also where a program has both, and its owner stays", async () => {
  const files = Object.fromEntries(["ping", "mtr", "wall", "kept"].map((name) => [`/usr/bin/${name}`, PROGRAM]));
  await using made = await tree(files);
  const tools = await testTools();
  const options = { binds: [{ source: made.fs.folder, writable: true }], anyOwner: true };
  const tool: Tree["tool"] = async (argv) => (await tools.run(argv, options)).stdout;
  await tool(["python3", "-c", MARK, made.fs.folder]);
  const before = await tool(["python3", "-c", LOOK, made.fs.folder]);
  assert.equal(before, "kept 0o4755 5 capable\nmtr 0o755 0 capable\nping 0o4755 0 capable\nwall 0o2755 5 \n");
  await sealTree({ fs: made.fs, tool }, recipe("sealed: { keep: [{ path: /usr/bin/kept, reason: it is needed }] }\n"), "systemd");
  const after = await tool(["python3", "-c", LOOK, made.fs.folder]);
  assert.equal(after, "kept 0o4755 5 capable\nmtr 0o755 0 \nping 0o755 0 \nwall 0o755 5 \n");
});

test("logins, shells and scripts of stock packages are off; what the recipe has laid in their place is not touched", async () => {
  const off = ["getty@.service", "serial-getty@ttyS0.service", "debug-shell.service", "ctrl-alt-del.target", "kexec.target"];
  await using t = await tree({
    ...Object.fromEntries(off.map((name) => [`${UNITS}/${name}`, "[Service]\nExecStart=/bin/sh\n"])),
    [`${UNITS}/app.service`]: "[Service]\nExecStart=/usr/bin/ls\n",
    [`${UNITS}/rc-local.service`]: "[Service]\nExecStart=/bin/sh\n",
    "/etc/systemd/system/rc-local.service": "[Service]\nExecStart=/usr/bin/ls\n",
    "/usr/lib/systemd/system-generators/systemd-debug-generator": PROGRAM,
    "/usr/lib/systemd/system-generators/systemd-fstab-generator": PROGRAM,
    "/usr/lib/udev/rules.d/73-special-net-names.rules": 'PROGRAM="/bin/sh -c x"\n',
  });
  await sealTree(t, recipe(), "systemd");
  for (const name of off) assert.ok(await isMasked(t.fs, `/etc/systemd/system/${name}`), name);
  for (const path of ["system-generators/systemd-debug-generator"]) assert.ok(await isMasked(t.fs, `/etc/systemd/${path}`), path);
  assert.ok(await isMasked(t.fs, "/etc/udev/rules.d/73-special-net-names.rules"));
  assert.equal(await isMasked(t.fs, "/etc/systemd/system-generators/systemd-fstab-generator"), false);
  assert.equal(await isMasked(t.fs, "/etc/systemd/system/rc-local.service"), false);
});

const REFUSED: readonly (readonly [what: string, files: Files, said: RegExp, more?: string])[] = [
  [
    "a unit",
    { [`${UNITS}/a.service`]: "[Service]\nExecStart=/bin/sh -c x\n" },
    /^ {2}\/usr\/lib\/systemd\/system\/a\.service:2 \(unit\) needs \/bin\/sh, which is a shell$/m,
  ],
  [
    "a drop-in",
    { [`${UNITS}/a.service`]: "ExecStart=/bin/ls\n", "/etc/systemd/system/a.service.d/x.conf": "\nExecStop=sh\n" },
    /a\.service\.d\/x\.conf:2 \(unit\) needs sh, which is a shell/,
  ],
  [
    "an instance's drop-in",
    { [`${UNITS}/a@.service`]: "ExecStart=/bin/ls\n", [`${UNITS}/a@b.service.d/x.conf`]: "ExecStop=sh\n" },
    /a@b\.service\.d\/x\.conf:1/,
  ],
  [
    "a script of a unit",
    { [`${UNITS}/a.service`]: "ExecStart=/usr/bin/a\n", "/usr/bin/a": "#!/bin/sh\n" },
    /needs \/usr\/bin\/a, which is a script of \/bin\/sh/,
  ],
  [
    "a program on a persistent folder",
    { [`${UNITS}/a.service`]: "ExecStart=/opt/bin/a\n", "/opt/bin/a": PROGRAM },
    /\/opt\/bin\/a, which lies in \/opt, where nothing is executed/,
  ],
  [
    "a program in /etc",
    { [`${UNITS}/a.service`]: "ExecStart=/usr/bin/env A=b /etc/bin/a\n", "/etc/bin/a": PROGRAM, "/usr/bin/env": PROGRAM },
    /\/etc\/bin\/a, which lies in \/etc, where/,
  ],
  [
    "a program that has everything run by a shell",
    { [`${UNITS}/a.service`]: "ExecStart=/usr/sbin/ifup\n", "/usr/sbin/ifup": PROGRAM },
    /ifup, which has every command run by a shell/,
  ],
  [
    "a rule of udev",
    { "/usr/lib/udev/rules.d/9.rules": 'RUN+="a x"\n', "/usr/lib/udev/a": "#!/bin/sh\n" },
    /9\.rules:1 \(udev rule\) needs a, which is a script/,
  ],
  [
    "a generator",
    { "/etc/systemd/system-generators/g": "#!/bin/sh\n" },
    /system-generators\/g \(hook\) needs what it is: a script of \/bin\/sh/,
  ],
  [
    "a dispatcher",
    { "/usr/sbin/NetworkManager": PROGRAM, "/etc/NetworkManager/dispatcher.d/a": "#!/bin/sh\n" },
    /dispatcher\.d\/a \(hook\)/,
  ],
  [
    "a table of cron",
    { "/usr/sbin/cron": PROGRAM, "/etc/cron.d/a": "* * * * * root true\n" },
    /cron\.d\/a:1 \(cron table\) needs \/bin\/sh/,
  ],
  [
    "a tmpfiles entry",
    { "/usr/lib/tmpfiles.d/a.conf": "L /run/a - - - - /bin/sh\n" },
    /a\.conf:1 \(tmpfiles entry\) needs \/bin\/sh/,
  ],
  [
    "a health check",
    {},
    /web \(health check\) needs \/bin\/sh/,
    "health: { checks: [{ command: [/bin/sh, -c, x], name: web }] }\n",
  ],
];
for (const [what, files, said, more] of REFUSED)
  test(`${what} that needs what goes is refused, and nothing is taken out before`, async () => {
    await using t = await tree(files);
    await assert.rejects(sealTree(t, recipe(more), "systemd"), (error: Error & { code?: string }) => {
      assert.equal(error.code, "SEALED_DEPENDENTS");
      assert.match(error.message, said);
      assert.match(error.message, /^the image cannot be sealed: 1 place needs what goes\n/);
      assert.match(error.message, /^ {4}instead: /m);
      return true;
    });
    assert.ok(await t.fs.exists("/usr/bin/dash"));
  });

const FINE: readonly (readonly [what: string, files: Files, more?: string])[] = [
  ["a unit that is masked", { [`${UNITS}/a.service`]: "ExecStart=/bin/sh\n", "/etc/systemd/system/a.service": "" }],
  [
    "a command that a drop-in takes back",
    { [`${UNITS}/a.service`]: "ExecStart=/bin/sh\n", [`${UNITS}/a.service.d/x.conf`]: "ExecStart=\nExecStart=/bin/ls\n" },
  ],
  [
    "a rule that another one lies over",
    { "/usr/lib/udev/rules.d/9.rules": 'RUN+="/bin/sh"\n', "/etc/udev/rules.d/9.rules": "# none\n" },
  ],
  [
    "a program that is given its settings",
    {
      [`${UNITS}/a.service`]: "ExecStart=/usr/sbin/nft -f /etc/a.conf\n",
      "/usr/sbin/nft": PROGRAM,
      "/etc/a.conf": "#!/usr/sbin/nft -f\n",
    },
  ],
  ["a program that the image does not have", { [`${UNITS}/a.service`]: "ExecStartPre=-plymouth quit\n" }],
  ["a hook that nobody runs", { "/etc/NetworkManager/dispatcher.d/a": "#!/bin/sh\n", "/etc/cron.daily/a": "#!/bin/sh\n" }],
  [
    "a hook that the recipe takes out",
    { "/usr/sbin/NetworkManager": PROGRAM, "/etc/NetworkManager/dispatcher.d/a": "#!/bin/sh\n" },
    "sealed: { remove: [{ path: /etc/NetworkManager/dispatcher.d/a, reason: not needed }] }\n",
  ],
  [
    "what needs a program that the recipe keeps",
    { [`${UNITS}/a.service`]: "ExecStart=/bin/sh -c x\n" },
    "sealed: { keep: [{ path: /usr/bin/dash, reason: one service needs it }] }\n",
  ],
];
for (const [what, files, more] of FINE)
  test(`${what} is no reason to refuse`, async () => {
    await using t = await tree(files);
    await sealTree(t, recipe(more), "systemd");
  });

test("an exception for what is not there is refused, and so is a service that only a script starts", async () => {
  await using t = await tree({ "/etc/init.d/a": "#!/bin/sh\n" });
  await assert.rejects(sealTree(t, recipe("sealed: { keep: [{ path: /usr/bin/no, reason: x }] }\n"), "systemd"), {
    code: "SEALED_EXCEPTION_UNKNOWN",
  });
  await t.fs.link("/etc/rc2.d/S01a", "../init.d/a");
  await assert.rejects(sealTree(t, recipe(), "systemd"), { code: "SEALED_DEPENDENTS", message: /\/etc\/init\.d\/a \(hook\)/ });
});

test("modules that the image's programs use, and those of the recipe, are loaded at boot", async () => {
  await using t = await tree({
    "/usr/lib/modules/6.12/modules.dep": "kernel/net/nf_tables.ko:\nkernel/drivers/md/dm-crypt.ko.xz: kernel/x.ko\n",
    "/usr/sbin/nft": PROGRAM,
  });
  assert.equal((await sealTree(t, recipe("api: { maintenance: true }\nsealed: { modules: [dm-crypt] }\n"), "systemd")).length, 1);
  assert.match((await t.fs.read("/usr/lib/modules-load.d/petrify-sealed.conf"))!, /\ndm_crypt\nnf_tables\n$/);
});

test("OpenRC cannot be sealed", async () => {
  await using t = await tree();
  await assert.rejects(sealTree(t, recipe(), "openrc"), { code: "INIT_UNFIT" });
});
