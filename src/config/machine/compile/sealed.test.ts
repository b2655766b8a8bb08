import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { compile, tolerantly } from "../../../../tests/support/compile-cases.ts";
import { SEALED_SYSCTLS } from "../../../layout/sealed-sysctl.ts";
import type { ConfiguredMount, NodeConfig } from "../node-config.ts";
import { fakeContainer, fakeFile, fakeStep, fakeUnit, fakeUser } from "./fake-config.ts";
import { debian } from "./fake-image.ts";
import type { ImageView } from "./image-view.ts";

const OPEN = debian({ "/usr/bin/app": "", "/usr/bin/true": "", "/opt/bin/app": "" });
const SEALED: ImageView = { ...OPEN, profile: "sealed" };
const fakeMount = (where: string, options = "defaults"): ConfiguredMount => ({
  what: "LABEL=x",
  where,
  type: "ext4",
  options,
  pass: 2,
});
const exec = (program: string): string => `[Service]\nExecStart=${program}\n[Install]\nWantedBy=multi-user.target\n`;

const REFUSED: readonly (readonly [key: string, about: Partial<NodeConfig>, hint: RegExp])[] = [
  ["runcmd[0]", { runCommands: ["touch /x"] }, /as a list; or use units/],
  ["bootcmd[1]", { bootCommands: [["/usr/bin/true"], "touch /x"] }, /as a list/],
  ["ssh_authorized_keys", { authorizedKeys: ["ssh-ed25519 AAAA"] }, /by its API/],
  ["users[a].ssh_authorized_keys", { users: [fakeUser("a", { authorizedKeys: ["ssh-ed25519 AAAA"] })] }, /by its API/],
  ["users[a].shell", { users: [fakeUser("a", { shell: "/bin/bash" })] }, /by its API/],
  ["users[a].passwd", { users: [fakeUser("a", { passwordHash: "$y$x" })] }, /by its API/],
  ["users[a].sudo", { users: [fakeUser("a", { sudo: ["ALL=(ALL) ALL"] })] }, /by its API/],
  ["ssh_pwauth", { sshPasswords: false }, /by its API/],
  ["disable_root", { sshRoot: false }, /by its API/],
  ...(
    [
      ["/etc/systemd/system/x.service", /^Use units\.$/],
      ["/etc/systemd/system-generators/x", /^Use units\.$/],
      ["/run/systemd/system/x.service", /^Use units\.$/],
      ["/etc/containers/systemd/x.container", /^Use containers\.$/],
      ["/etc/sysctl.d/99-x.conf", /^Use sysctl\.$/],
      ["/etc/modprobe.d/x.conf", /^Use modules\.$/],
      ["/etc/environment", /^Use environment/],
      ["/etc/systemd/system.conf.d/x.conf", /^Use environment/],
      ...[
        "/etc/udev/rules.d/x.rules",
        "/etc/tmpfiles.d/x.conf",
        "/etc/ld.so.preload",
        "/etc/ld.so.conf.d/x.conf",
        "/etc/cron.d/x",
        "/etc/profile",
      ].map((path) => [path, /the recipe/] as const),
      ...["/etc/shadow", "/etc/passwd", "/etc/pam.d/x", "/etc/sudoers.d/x", "/usr/local/lib/x", "/oem/x", "/etc/init.d/x"].map(
        (path) => [path, /the recipe/] as const,
      ),
    ] as const
  ).map(([path, hint]) => [`write_files[${path}]`, { files: [fakeFile(path)] }, hint] as const),
  ["sysctl[kernel.sysrq]", { sysctl: { "kernel.sysrq": "1" } }, /open image/],
  ["sysctl[kernel/core_pattern]", { sysctl: { "kernel/core_pattern": "|/x" } }, /open image/],
  ["sysctl[kernel.k*]", { sysctl: { "kernel.k*": "0" } }, /open image/],
  ["sysctl[kernel.modprobe]", { sysctl: { "kernel.modprobe": "/x" } }, /open image/],
  ["environment.LD_PRELOAD", { environment: { LD_PRELOAD: "/x" } }, /by units/],
  ["environment.NODE_OPTIONS", { environment: { NODE_OPTIONS: "--inspect" } }, /by units/],
  ["kernel.args.append[acpi=off]", { kernelArgs: { append: ["acpi=off"], remove: [] } }, /the recipe: kernel\.cmdline/],
  [
    "kernel.args.remove[systemd.import_credentials=no]",
    { kernelArgs: { append: [], remove: ["systemd.import_credentials=no"] } },
    /the recipe/,
  ],
  ...["/etc/udev", "/etc/ld.so.conf.d", "/etc/NetworkManager", "/var/spool", "/var/lib/extensions"].map(
    (path) => [`persist[${path}]`, { persistent: [path] }, /holds data alone/] as const,
  ),
  ["mounts[/etc/udev/rules.d]", { mounts: [fakeMount("/etc/udev/rules.d")] }, /below \/mnt/],
  ["mounts[/srv/x]", { mounts: [fakeMount("/srv/x", "noatime,exec")] }, /Leave exec/],
  ["units[srv-x.mount]", { units: [fakeUnit("srv-x.mount", { content: "[Mount]\nWhat=x\nWhere=/srv/x\n" })] }, /Use mounts/],
  ["units[x.service]", { units: [fakeUnit("x.service", { content: exec("/bin/ksh -c x") })] }, /program of the image/],
  ["units[x.service]", { units: [fakeUnit("x.service", { content: exec("-ksh") })] }, /program of the image/],
  ["units[x.service]", { units: [fakeUnit("x.service", { content: exec("/opt/bin/app") })] }, /program of the image/],
  [
    "stages.boot[s].if",
    { stages: { boot: [fakeStep("s", { conditions: { command: "true", files: [], anyFile: [], noFiles: [] } })] } },
    /Use files/,
  ],
  ["stages.boot[s].commands[0]", { stages: { boot: [fakeStep("s", { commands: ["true"] })] } }, /as a list/],
  [
    "stages.boot[s].files[/etc/cron.d/x]",
    { stages: { boot: [fakeStep("s", { files: [fakeFile("/etc/cron.d/x")] })] } },
    /the recipe/,
  ],
  [
    "stages.initramfs[s].users[a].shell",
    { stages: { initramfs: [fakeStep("s", { users: [fakeUser("a", { shell: "/bin/bash" })] })] } },
    /by its API/,
  ],
];
for (const [key, about, hint] of REFUSED)
  test(`a sealed image refuses ${key} and says what to do instead; a boot leaves it out`, () => {
    const { unsupported } = tolerantly(about, SEALED);
    const [first, ...more] = unsupported.filter((one) => one.problem.includes("sealed"));
    const folded = key.replace("stages.initramfs[s].", "");
    assert.ok(first && [key, folded].includes(first.key), JSON.stringify(unsupported));
    assert.equal(more.length, 0);
    assert.match(first.hint ?? "", hint);
    assert.throws(() => compile(about, SEALED), { code: "CONFIG_UNSUPPORTED" });
    const open = tolerantly(about, OPEN).unsupported.filter((one) => one.problem.includes("sealed"));
    assert.deepEqual(open, []);
  });

test("nothing that was refused is laid down", () => {
  const about = Object.assign({}, ...REFUSED.map(([, one]) => one)) as Partial<NodeConfig>;
  const { compiled, plan, kernelArgs } = tolerantly({ ...about, files: REFUSED.flatMap(([, { files = [] }]) => files) }, SEALED);
  assert.deepEqual(
    compiled.entries.map(({ path }) => path).filter((path) => !path.startsWith("/etc/petrify")),
    [],
  );
  assert.deepEqual(plan.once.commands, []);
  assert.deepEqual(kernelArgs, { append: [], remove: [] });
  assert.deepEqual([...new Set(compiled.accounts.users.map(({ name }) => name))], ["a"]);
});

test("what needs neither a shell nor a login goes on a sealed image as on any other", () => {
  compile(
    {
      hostname: "edge",
      users: [fakeUser("app", { shell: "/usr/sbin/nologin", groups: ["adm"] }), fakeUser("other")],
      files: [fakeFile("/etc/app.conf"), fakeFile("/var/lib/app/x"), fakeFile("/etc/systemd/network/10-x.network")],
      runCommands: [["/usr/bin/true"]],
      sysctl: { "net.ipv4.ip_forward": "1" },
      environment: { LANG: "C" },
      kernelArgs: { append: ["quiet"], remove: [] },
      units: [fakeUnit("app.service", { content: exec("/usr/bin/app --x"), enabled: true })],
      stages: { boot: [fakeStep("s", { commands: [["/usr/bin/true"]] })] },
    },
    { ...SEALED, has: (path) => path === "/usr/sbin/nologin" || SEALED.has(path) },
  );
});

test("what a config mounts on a sealed image is not executed; where containers keep their images, it is", () => {
  const optionsOf = (where: string, options: string): string | undefined => {
    const view = { ...SEALED, has: (path: string) => path === "/var/lib/containers" || SEALED.has(path) };
    const { compiled } = compile({ mounts: [fakeMount(where, options)] }, view);
    const unit = compiled.entries.find(({ path, what }) => what.is === "file" && path.endsWith(".mount"))!;
    assert.ok(unit.what.is === "file" && "text" in unit.what.content);
    return /^Options=(.*)$/m.exec(unit.what.content.text)?.[1];
  };
  assert.equal(optionsOf("/srv/x", "defaults,noatime"), "noatime,nosuid,nodev,noexec");
  assert.equal(optionsOf("/var/lib/containers", "exec"), "exec,nodev");
});

test("what podman keeps is executed on a sealed image, and lies where its mount is the only way to it", () => {
  const { compiled } = tolerantly(
    { containers: [fakeContainer("web")] },
    { ...debian({ "/usr/bin/podman": "" }), profile: "sealed" },
  );
  const unit = compiled.entries.find(({ path }) => path === "/etc/systemd/system/var-lib-containers.mount")!;
  assert.ok(unit.what.is === "file" && "text" in unit.what.content);
  assert.match(unit.what.content.text, /\nWhat=\/usr\/local\/containers\n[^]*\nOptions=bind,nodev,suid,exec\n/);
});

test("the parameters that nobody else sets are those that the image sets", async () => {
  const path = join(import.meta.dirname, "../../../build/rootfs/sealed/usr/lib/sysctl.d/99-petrify-sealed.conf");
  const names = [...(await readFile(path, "utf8")).matchAll(/^-?([a-z][\w.]*) = /gm)].map(([, name]) => name);
  assert.deepEqual(names, [...SEALED_SYSCTLS]);
});
