import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { CACHE } from "../../tests/support/cli.ts";
import { testTools } from "../../tests/support/tools.ts";
import { fstab } from "../layout/fstab.ts";
import { RUNTIME_VARIABLES } from "../layout/runtime-variables.ts";
import type { OpenrcInit } from "./image-init.ts";
import { runtimeFiles } from "./runtime-files.ts";

const KERNEL = { cmdline: [] };
const SYSTEMD = { init: { kind: "systemd", path: "/sbin/init" }, kernel: KERNEL, profile: "open" } as const;
const INIT: OpenrcInit = {
  ...{ kind: "openrc", path: "/sbin/init", first: "sysvinit", openrc: "/sbin/openrc", openrcRun: "/opt/rc/openrc-run" },
  ...{ rcScripts: true, getty: undefined },
};
const OPENRC = { init: INIT, kernel: KERNEL, profile: "open" } as const;

for (const [profile, count] of [
  ["open", 27],
  ["sealed", 31],
] as const)
  test(`systemd finds nothing wrong with the units of an ${profile} image, and what they start and are started by is there`, async () => {
    const tools = await testTools();
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-runtime-"));
    const files = await runtimeFiles({ tools, cacheFolder: CACHE, signal: undefined }, { ...SYSTEMD, profile }, folder.path);
    const has = (path: string): boolean => files.some((file) => file.path === path);
    const units: [string, ...string[]] = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no"];
    for (const file of files) {
      if ("target" in file) assert.ok(has(join(dirname(file.path), file.target)), file.path);
      else if (/\.(service|socket|path|timer|mount)$/.test(file.path)) {
        const text = Buffer.from(file.data).toString();
        const programs = [...text.matchAll(/^Exec(?:Start|Condition)=(\S+)/gm)].map(([, program]) => program!);
        assert.ok(
          (programs.length > 0 || !file.path.endsWith(".service") || /^SuccessAction=/m.test(text)) &&
            programs.every((program) => has(program) || /^-?\/usr\/(bin|lib\/systemd)\//.test(program)),
          `${file.path} starts ${programs.join(", ")}`,
        );
        const copy = join(folder.path, "units", basename(file.path));
        await mkdir(dirname(copy), { recursive: true });
        // The tools tree has no other place for them.
        await writeFile(
          copy,
          programs.reduce((one, program) => one.replaceAll(program, "/usr/bin/true"), text),
        );
        units.push(copy);
      }
    }
    assert.equal(units.length, count);
    const { stderr } = await tools.run(units, { binds: [{ source: folder.path }] });
    assert.equal(stderr, "");
  });

/** Lines that make a unit of the image less exposed: without any of them it is more than documented. */
const BOUNDS: Readonly<Record<string, readonly string[]>> = {
  "petrifyd.service": ["NoNewPrivileges", "ProtectSystem", "CapabilityBoundingSet", "SystemCallFilter", "DevicePolicy"],
  "petrify-api.service": [
    ...["DynamicUser", "PrivateNetwork", "RestrictAddressFamilies", "CapabilityBoundingSet", "SystemCallFilter"],
    ...["PrivateDevices", "ProtectHome"],
  ],
  "petrify-look.service": [
    "DynamicUser",
    "RestrictAddressFamilies",
    "CapabilityBoundingSet",
    "SystemCallFilter",
    "IPAddressDeny",
  ],
  "petrify-forward.service": [
    "DynamicUser",
    "RestrictAddressFamilies",
    "CapabilityBoundingSet",
    "SystemCallFilter",
    "ProtectHome",
  ],
  "petrify-debug.service": ["CapabilityBoundingSet", "ProtectSystem", "SystemCallFilter", "ProtectHome"],
  "petrify-authority.service": [
    "DynamicUser",
    "RestrictAddressFamilies",
    "CapabilityBoundingSet",
    "SystemCallFilter",
    "ProtectHome",
  ],
  "petrify-fsck@.service": ["CapabilityBoundingSet", "SystemCallFilter", "PrivateNetwork", "ProtectKernelTunables"],
  "petrify-grow.service": ["CapabilityBoundingSet", "SystemCallFilter", "PrivateNetwork", "ProtectKernelTunables"],
  "petrify-persist.service": ["CapabilityBoundingSet", "SystemCallFilter", "RestrictAddressFamilies", "IPAddressDeny"],
  "petrify-config-data.service": ["CapabilityBoundingSet", "SystemCallFilter", "RestrictAddressFamilies", "IPAddressDeny"],
  "petrify-sealed.service": ["CapabilityBoundingSet", "SystemCallFilter", "RestrictAddressFamilies"],
};
const UNIT_FOLDERS = ["rootfs/systemd/usr/lib/systemd/system", "rootfs/sealed/usr/lib/systemd/system"];

test("each unit leaves as much open as the documentation says, by systemd's own judge, and more without any of its bounds", async () => {
  const tools = await testTools();
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-runtime-"));
  const exposure = async (name: string, text: string): Promise<string> => {
    const copy = join(folder.path, name);
    await writeFile(copy, text);
    const argv = ["systemd-analyze", "security", "--offline=yes", "--no-pager", copy] as const;
    const { stdout } = await tools.run([...argv], { binds: [{ source: folder.path }] });
    return /^→ Overall exposure level for \S+: (\d+\.\d) /m.exec(stdout)![1]!;
  };
  const found: Record<string, string> = {};
  for (const units of UNIT_FOLDERS.map((path) => join(import.meta.dirname, path))) {
    for (const name of (await readdir(units)).filter((file) => file.endsWith(".service"))) {
      const text = await readFile(join(units, name), "utf8");
      const now = await exposure(name, text);
      found[name] = now;
      for (const line of BOUNDS[name] ?? []) {
        const without = await exposure(name, text.replaceAll(new RegExp(`^${line}=.*$`, "gm"), ""));
        assert.ok(Number(without) > Number(now), `${name} without ${line}: ${without}, as with it`);
      }
    }
  }
  const page = await readFile(join(import.meta.dirname, "../../docs/concepts/agent.md"), "utf8");
  const documented = [...page.matchAll(/^\| `(petrify\S+\.service)` \| (\d+\.\d) \|/gm)].map(([, name, level]) => [
    name!,
    level!,
  ]);
  assert.deepEqual(found, Object.fromEntries(documented));
});

test("no variable of a machine config changes what a unit of Node's runs", async () => {
  const folder = join(import.meta.dirname, "rootfs/systemd/usr/lib/systemd/system");
  let units = 0;
  for (const name of (await readdir(folder)).filter((file) => file.endsWith(".service"))) {
    const text = await readFile(join(folder, name), "utf8");
    if (!/^ExecStart=\/usr\/(?:bin\/petrify|lib\/petrify\/petrify(?:d|-(?!early)[a-z]+))\b/m.test(text)) continue;
    units++;
    assert.match(text, new RegExp(`^UnsetEnvironment=${RUNTIME_VARIABLES.join(" ")}$`, "m"), name);
  }
  assert.equal(units, 9);
});

test("the units that an fstab requires are the image's", async () => {
  const tools = await testTools();
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-runtime-"));
  const text = fstab(new Set(["oem", "persistent"]), ["/home"]);
  const required = [...text.matchAll(/x-systemd\.requires=([^, ]+)/g)].map(([, name]) => name!.replace(/@.+(?=\.)/, "@"));
  assert.equal(required.length, 3);
  const files = await runtimeFiles({ tools, cacheFolder: CACHE, signal: undefined }, SYSTEMD, folder.path);
  for (const name of required)
    assert.ok(
      files.some(({ path }) => path === `/usr/lib/systemd/system/${name}`),
      name,
    );
});

test("OpenRC starts services that are the image's, each a script that sh understands", async () => {
  const tools = await testTools();
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-runtime-"));
  const files = await runtimeFiles({ tools, cacheFolder: CACHE, signal: undefined }, OPENRC, folder.path);
  const has = (path: string): boolean => files.some((file) => file.path === path);
  const started = new Set<string>();
  for (const file of files) {
    if ("target" in file) {
      const target = resolve(dirname(file.path), file.target);
      if (file.path.startsWith("/etc/runlevels/")) started.add(basename(target));
      assert.doesNotMatch(file.path, /^\/etc\/runlevels\/(?!sysinit|default)/, "Debian's scripts start nothing of another");
      if (/petrify/.test(target)) assert.ok(has(target), file.path);
    } else if (file.path.startsWith("/etc/init.d/")) {
      assert.equal(file.mode, 0o755, file.path);
      const text = Buffer.from(file.data).toString();
      assert.match(text, /^#!\/opt\/rc\/openrc-run\n/, file.path);
      for (const [program] of text.matchAll(/\/usr\/lib\/petrify\/[a-z0-9/.-]+/g))
        assert.ok(has(program), `${file.path} runs ${program}`);
      await tools.run(["sh", "-n", "-c", text]);
    }
  }
  const console = files.find(({ path }) => path === "/usr/lib/petrify/console")!;
  assert.ok("data" in console && console.mode === 0o755);
  await tools.run(["sh", "-n", "-c", Buffer.from(console.data).toString()]);
  const services = files.map(({ path }) => path).filter((path) => path.startsWith("/etc/init.d/"));
  // These are started by their links' names.
  assert.deepEqual([...started, "petrify-mount", "petrify-stage"].toSorted(), services.map((path) => basename(path)).toSorted());
});

test("an image has the files of its own init only, and what both have", async () => {
  const tools = await testTools();
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-runtime-"));
  const paths = async (input: typeof OPENRC | typeof SYSTEMD): Promise<string[]> =>
    (await runtimeFiles({ tools, cacheFolder: CACHE, signal: undefined }, input, folder.path)).map(({ path }) => path);
  const [openrc, systemd] = [await paths(OPENRC), await paths(SYSTEMD)];
  const shared = openrc.filter((path) => systemd.includes(path) && !path.startsWith("/usr/lib/petrify/"));
  assert.deepEqual(shared, ["/usr/bin/petrify", "/usr/lib/sysctl.d/50-petrify.conf"]);
  assert.deepEqual(
    openrc.filter((path) => path.startsWith("/usr/lib/systemd")),
    [],
  );
  assert.deepEqual(
    systemd.filter((path) => /^\/etc\/(init\.d|runlevels)/.test(path)),
    [],
  );
});
