import assert from "node:assert/strict";
import { lstat, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { run } from "./run.ts";
import { rootFs, type RootFs } from "./rootfs.ts";

async function tree(t: TestContext): Promise<{ fs: RootFs; outside: string }> {
  const top = await mkdtemp(join(tmpdir(), "rootfs-"));
  t.after(async () => await rm(top, { recursive: true }));
  await mkdir(join(top, "root/etc"), { recursive: true });
  await writeFile(join(top, "outside"), "host");
  return { fs: rootFs(join(top, "root")), outside: join(top, "outside") };
}

test("an absolute link stays inside the tree", async (t) => {
  const { fs, outside } = await tree(t);
  await symlink(outside, join(fs.folder, "etc/escape"));
  assert.equal(await fs.read("/etc/escape"), undefined);
  await symlink("/etc", join(fs.folder, "config"));
  await fs.write("/config/a", "x");
  assert.equal(await readFile(join(fs.folder, "etc/a"), "utf8"), "x");
});
test("dot-dot stops at the top of the tree", async (t) => {
  const { fs } = await tree(t);
  assert.equal(await fs.read("/etc/../../outside"), undefined);
  assert.equal(await fs.resolve("/../../etc"), join(fs.folder, "etc"));
});
test("write() replaces a link instead of following it, and sets the mode whatever the umask", async (t) => {
  const { fs, outside } = await tree(t);
  await symlink(outside, join(fs.folder, "etc/link"));
  const umask = process.umask(0o077);
  await fs.write("/etc/link", "mine", 0o664).finally(() => process.umask(umask));
  assert.equal(await readFile(outside, "utf8"), "host");
  const info = await lstat(join(fs.folder, "etc/link"));
  assert.equal(info.isFile() && info.mode & 0o777, 0o664);
});
test("a loop of links is refused", async (t) => {
  const { fs } = await tree(t);
  await symlink("/etc/b", join(fs.folder, "etc/a"));
  await symlink("/etc/a", join(fs.folder, "etc/b"));
  await assert.rejects(fs.read("/etc/a"), { code: "LINK_LOOP" });
});
test("read() waits for no pipe and takes no folder for a file", async (t) => {
  const { fs } = await tree(t);
  await run(["mkfifo", join(fs.folder, "etc/pipe")]);
  for (const path of ["/etc/pipe", "/etc"])
    await assert.rejects(fs.read(path), { code: "FILE_UNFIT", message: /is not a file$/ });
  await fs.write("/etc/file", "x");
  assert.equal(await fs.read("/etc/file/below"), undefined);
});
