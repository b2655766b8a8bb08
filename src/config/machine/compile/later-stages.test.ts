import assert from "node:assert/strict";
import { test } from "node:test";
import { problemsOf, tolerantly } from "../../../../tests/support/compile-cases.ts";
import type { NodeConfig } from "../node-config.ts";
import type { Step } from "../stages.ts";
import { fakeFile, fakeStep, fakeUnit, fakeUser } from "./fake-config.ts";
import { alpine, debian } from "./fake-image.ts";
import type { ImageView } from "./image-view.ts";
import type { StageStep } from "./stage-plan.ts";

const DISKS = { "/usr/sbin/sfdisk": "", "/usr/sbin/mkfs.vfat": "" };

/** A step of the stage `boot`, and what of the config cannot be done. */
function compiled(step: Partial<Step>, config: Partial<NodeConfig> = {}, view?: ImageView) {
  const about = { ...config, stages: { boot: [fakeStep("s", step)] } };
  return { step: tolerantly(about, view).plan.stages.boot![0]!, problems: problemsOf(about, view) };
}
const paths = ({ entries }: StageStep): string[] => entries.map(({ path, when }) => `${when} ${path}`);

test("files, folders and name servers are entries, below /run, too", () => {
  const { step, problems } = compiled({
    files: [
      fakeFile("/etc/a"),
      fakeFile("/run/app/b"),
      fakeFile("/srv/c"),
      fakeFile("/etc/d", { content: { url: "https://x.example/d" } }),
    ],
    directories: [{ path: "/var/lib/app", mode: 0o700, owner: "www-data:www-data" }],
    dns: { nameservers: ["192.0.2.1"], search: [], options: [] },
    downloads: [{ path: "/srv/e", url: "https://x.example/e", sha256: "ab", mode: 0o755, owner: "root:root" }],
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(paths(step), [
    "root /etc/a",
    "root /etc/resolv.conf",
    "run /run/app",
    "run /run/app/b",
    "data /srv/c",
    "root /var/lib/app",
  ]);
  assert.deepEqual(
    step.fetched.map(({ path, when, sha256 }) => `${when} ${path} ${sha256}`),
    ["root /etc/d undefined", "data /srv/e ab"],
  );
});

test("users come with what they need; keys go beside those that a user has", () => {
  const { step, problems } = compiled(
    {
      users: [fakeUser("bob", { sudo: ["ALL=(ALL) ALL"], authorizedKeys: ["ssh-ed25519 BBBB"] })],
      authorizedKeys: { alice: ["ssh-ed25519 CCCC"] },
    },
    { users: [fakeUser("alice", { authorizedKeys: ["ssh-ed25519 AAAA"] })], sshPasswords: false },
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(
    step.accounts.users.map(({ name }) => name),
    ["bob"],
  );
  assert.deepEqual(
    paths(step).filter((path) => /sudoers|sshd_config/.test(path)),
    ["root /etc/ssh/sshd_config.d/10-petrify.conf", "root /etc/sudoers.d/90-petrify-bob"],
  );
  const server = step.entries.find(({ path }) => path.endsWith("10-petrify.conf"))!.what;
  assert.match(JSON.stringify(server), /PasswordAuthentication no/, "the document's own settings stay");
  assert.deepEqual(
    step.lines.map(({ path, lines }) => [path, lines.map(({ line }) => line).filter((line) => !line.startsWith("#"))]),
    [
      ["/etc/ssh/petrify/authorized_keys/bob", ["ssh-ed25519 BBBB"]],
      ["/etc/ssh/petrify/authorized_keys/alice", ["ssh-ed25519 CCCC"]],
    ],
  );
});

test("an owner may be a user of any step, and of the document", () => {
  const config: Partial<NodeConfig> = {
    users: [fakeUser("alice")],
    stages: {
      fs: [fakeStep("one", { users: [fakeUser("bob")] })],
      boot: [
        fakeStep("two", { files: [fakeFile("/etc/a", { owner: "bob:bob" }), fakeFile("/etc/b", { owner: "alice:alice" })] }),
      ],
    },
  };
  assert.deepEqual(tolerantly(config).unsupported, []);
});

test("units that are enabled are the image's, the document's, or the step's own files", () => {
  const unit = "[Service]\nExecStart=/usr/bin/true\n[Install]\nWantedBy=multi-user.target\n";
  const { step, problems } = compiled(
    {
      files: [fakeFile("/etc/systemd/system/own.service", { content: { text: unit } })],
      systemctl: {
        enable: ["own.service", "ofdocument.service"],
        disable: [],
        start: ["own.service"],
        stop: [],
        restart: [],
        mask: [],
      },
    },
    { units: [fakeUnit("ofdocument.service", { content: unit })] },
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(
    paths(step).filter((path) => path.includes(".wants/")),
    [
      "root /etc/systemd/system/multi-user.target.wants/ofdocument.service",
      "root /etc/systemd/system/multi-user.target.wants/own.service",
    ],
  );
  assert.equal(paths(step).includes("root /etc/systemd/system/ofdocument.service"), false, "that is the document's to lay");
  assert.deepEqual(step.units.start, ["own.service"]);
});

test("variables are lines that replace those of their names", () => {
  const { step } = compiled({ environment: { A: "1" } });
  assert.deepEqual(step.lines, [
    { path: "/etc/environment", when: "root", owner: "root:root", mode: 0o644, lines: [{ line: 'A="1"', begin: "A=" }] },
  ]);
  assert.equal(compiled({ environment: { A: "1" }, environmentFile: "/run/env" }).step.lines[0]!.when, "run");
});

const LAYOUT = { device: { path: "/dev/vdb" }, add_partitions: [{ fsLabel: "data", size: 0, filesystem: "vfat" }] } as const;
const REFUSED: readonly (readonly [what: string, step: Partial<Step>, problem: RegExp, view?: ImageView])[] = [
  ["a file of the image", { files: [fakeFile("/usr/bin/x")] }, /^stages\.boot\[s\]\.files\[\/usr\/bin\/x\]: .*part of the image/],
  [
    "a download into the image",
    { downloads: [{ path: "/usr/x", url: "https://x.example", mode: 0, owner: "root:root" }] },
    /downloads\[\/usr\/x\]: .*part of the image/,
  ],
  ["petrify's own", { files: [fakeFile("/run/petrify/x")] }, /petrify's own/],
  ["an owner that nobody is", { files: [fakeFile("/etc/a", { owner: "no:no" })] }, /files\[\/etc\/a\]\.owner: no is no user/],
  [
    "the owner of a folder",
    { directories: [{ path: "/etc/a", mode: 0o755, owner: "no:no" }] },
    /directories\[\/etc\/a\]\.owner: no is no user/,
  ],
  [
    "a unit that is not there",
    { systemctl: { enable: ["no.service"], disable: [], start: [], stop: [], restart: [], mask: [] } },
    /^stages\.boot\[s\]\.units\[no\.service\]/,
  ],
  [
    "a mask with OpenRC",
    { systemctl: { enable: [], disable: [], start: [], stop: [], restart: [], mask: ["x"] } },
    /^stages\.boot\[s\]/,
    alpine(),
  ],
  [
    "a pattern that is none",
    { conditions: { files: [], anyFile: [], noFiles: [], os: "(" } },
    /only_os: is no regular expression/,
  ],
  ["a step that waits for nobody's", { after: ["x"] }, /^stages\.boot\[s\]\.after: "x" is no step of this stage/],
  ["partitions without sfdisk", { layout: LAYOUT }, /layout: the image has no sfdisk/],
  ["vfat without its program", { layout: LAYOUT }, /layout: the image has no mkfs\.vfat/, debian({ "/usr/sbin/sfdisk": "" })],
  [
    "partitions that nobody finds again",
    { layout: { ...LAYOUT, add_partitions: [{ size: 1, filesystem: "ext4" }] } },
    /neither fsLabel nor pLabel/,
    debian(DISKS),
  ],
];
for (const [what, step, problem, view] of REFUSED) {
  test(`a step of a running system is refused: ${what}`, () => {
    const { problems } = compiled(step, {}, view);
    assert.ok(
      problems.some((one) => problem.test(one)),
      problems.join("\n"),
    );
  });
}

test("a step for another image is only passed over", () => {
  const conditions = { files: [], anyFile: [], noFiles: [], os: "fedora" };
  const { step, problems } = compiled({ conditions, files: [fakeFile("/usr/bin/x")], commands: ["true"] });
  assert.deepEqual([problems, step.entries, step.commands], [[], [], []]);
  assert.equal(step.conditions.os, "fedora");
});

test("mounts that a boot starts are known, so that they can be started once there is something to mount", () => {
  const mount = (where: string, options = "defaults") => ({ what: "LABEL=x", where, type: "ext4", options, pass: 2 });
  const { plan } = tolerantly({ mounts: [mount("/srv/a"), mount("/srv/b", "noauto")] });
  assert.deepEqual(plan.once.mounts, ["srv-a.mount"]);
});

test("disks are refused where the image has nothing that sets them up", () => {
  const disks = [{ device: "/dev/vdb", table: "gpt", partitions: [100], overwrite: false }] as const;
  const fileSystems = [{ device: "/dev/vdb", partition: 1, type: "vfat", overwrite: false }] as const;
  assert.deepEqual(problemsOf({ disks, fileSystems }), [
    "disk_setup./dev/vdb: the image has no sfdisk",
    "fs_setup[/dev/vdb]: the image has no mkfs.vfat",
  ]);
  assert.deepEqual(problemsOf({ disks, fileSystems }, debian(DISKS)), []);
});

test("at a boot, disks that the image cannot set up are left alone, and no file system is made of a whole disk in place of a part of it", () => {
  const disk = (device: string) => ({ device, table: "gpt", partitions: [100], overwrite: true }) as const;
  const fileSystem = (device: string, type: "ext4" | "vfat") => ({ device, partition: "auto", type, overwrite: true }) as const;
  const config: Partial<NodeConfig> = {
    disks: [disk("/dev/vdb")],
    fileSystems: [fileSystem("/dev/vdb", "ext4"), fileSystem("/dev/vdc", "vfat"), fileSystem("/dev/vdd", "ext4")],
  };
  const { plan, unsupported } = tolerantly(config);
  assert.deepEqual([plan.once.disks, plan.once.fileSystems.map(({ device }) => device)], [[], ["/dev/vdd"]]);
  assert.ok(
    unsupported.some(({ key, problem }) => key === "fs_setup[/dev/vdb]" && problem === "disk_setup./dev/vdb cannot be done"),
  );
  const able = tolerantly(config, debian(DISKS)).plan.once;
  assert.deepEqual([able.disks, able.fileSystems], [config.disks, config.fileSystems]);
});
