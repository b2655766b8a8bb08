import assert from "node:assert/strict";
import { cp, mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { testTools } from "../../../tests/support/tools.ts";
import { SEALED_SYSCTLS } from "../../layout/sealed-sysctl.ts";

const SOURCES = join(import.meta.dirname, "../rootfs");
/** What stock packages bring: systemd-coredump, and Debian's procps. */
const STOCK = {
  "usr/lib/sysctl.d/50-coredump.conf":
    "kernel.core_pattern=|/usr/lib/systemd/systemd-coredump %P %u %g %s %t %c %h\nfs.suid_dumpable=2\n",
  "usr/lib/sysctl.d/50-default.conf": "kernel.sysrq = 0x01b6\n-fs.protected_regular = 1\n",
  "etc/sysctl.d/10-own.conf": "kernel.core_pattern = core\nkernel.dmesg_restrict = 0\n",
  "usr/lib/systemd/system.conf.d/40-stock.conf": "[Manager]\nDefaultLimitCORE=infinity\nDumpCore=yes\n",
};

/** The last line for each name, of all files in systemd's order. */
async function settings(name: string): Promise<ReadonlyMap<string, string>> {
  await using root = await mkdtempDisposable(join(tmpdir(), "petrify-sealed-"));
  for (const one of ["common", "systemd", "sealed"]) await cp(join(SOURCES, one), root.path, { recursive: true });
  for (const [path, text] of Object.entries(STOCK)) {
    await mkdir(dirname(join(root.path, path)), { recursive: true });
    await writeFile(join(root.path, path), text);
  }
  const tools = await testTools();
  const argv = ["systemd-analyze", `--root=${root.path}`, "--no-pager", "cat-config", name] as const;
  const { stdout } = await tools.run([...argv], { binds: [{ source: root.path }] });
  const lines = stdout.matchAll(/^-?([\w.]+) *= *(.*)$/gm);
  return new Map([...lines].map(([, key, value]) => [key!, value!.trim()]));
}

test("nothing of a sealed image dumps its memory, whatever stock packages say, and its kernel parameters have the last word", async () => {
  const parameters = await settings("sysctl.d");
  assert.equal(parameters.get("kernel.core_pattern"), "|/usr/bin/false");
  assert.equal(parameters.get("fs.suid_dumpable"), "0");
  assert.equal(parameters.get("kernel.sysrq"), "0");
  assert.equal(parameters.get("kernel.dmesg_restrict"), "1");
  assert.equal(parameters.get("fs.protected_regular"), "2");
  assert.deepEqual(
    SEALED_SYSCTLS.filter((name) => !parameters.has(name)),
    [],
  );
  const manager = await settings("systemd/system.conf");
  assert.equal(manager.get("DefaultLimitCORE"), "0");
  assert.equal(manager.get("DumpCore"), "no");
  assert.equal(manager.get("CrashShell"), "no");
});
