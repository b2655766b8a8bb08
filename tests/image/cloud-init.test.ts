import assert from "node:assert/strict";
import { mkdtempDisposable, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { Document } from "yaml";
import { dotted } from "../../src/config/issue-text.ts";
import { effectiveConfig } from "../../src/config/machine/merge.ts";
import { parseDocument } from "../../src/config/machine/parse.ts";
import { problemText } from "../../src/config/machine/problems.ts";
import { plain } from "../../src/config/machine/tree.ts";
import { gunzip } from "../../src/host/gunzip.ts";
import { testTools } from "../support/tools.ts";

const TOP = join(import.meta.dirname, "../..");
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKn9cO2yPpVtl1hW0cVb2v6vC1w0Yh7kLGm5nB1yQXcA me@host";
const HASH = "$6$abcdefgh$7H/1LT4f9/N3wpgNunhsIqtMj62OKiS3nyNwuizouQc3u7MbYCarYeAHWYPYb2FT.lbioDm2RrkJPb9BZMN1O/";

/** Every key of cloud-init that is supported, in the forms that it may have. */
const EVERYTHING = `#cloud-config
hostname: a
fqdn: a.example.org
prefer_fqdn_over_hostname: false
manage_etc_hosts: localhost
user: { name: admin, gecos: Admin }
users:
  - default
  - name: ops
    uid: 1200
    gecos: O. Ps
    groups: [adm, sudo]
    primary_group: ops
    homedir: /srv/ops
    no_create_home: false
    shell: /bin/sh
    system: false
    lock_passwd: false
    passwd: ${HASH}
    ssh_authorized_keys: ["${KEY}"]
    sudo: ["ALL=(ALL) NOPASSWD:ALL"]
    expiredate: "2032-09-01"
  - { name: b, groups: "adm, sudo", sudo: "ALL=(ALL) ALL", hashed_passwd: "${HASH}" }
  - { name: c, sudo: false }
groups: [one, { two: [ops] }]
ssh_authorized_keys: ["${KEY}"]
ssh_pwauth: false
disable_root: true
password: ${HASH}
chpasswd: { expire: false, users: [{ name: root, password: "${HASH}", type: hash }] }
write_files:
  - { path: /etc/a, content: x, owner: "root:root", permissions: "0600", append: true, defer: true }
  - { path: /etc/b, content: aGk=, encoding: b64 }
  - { path: /etc/c, content: H4sIAAAAAAACA8vIBACsKpPYAgAAAA==, encoding: gz+b64 }
  - { path: /etc/d, source: { uri: "https://files.example/d", headers: { X-Token: t } } }
bootcmd: ["true", [echo, a]]
runcmd: [ls, [sleep, "5"]]
ntp: { enabled: true, servers: [ntp.example], pools: [pool.example] }
timezone: Europe/Berlin
locale: en_GB.UTF-8
keyboard: { layout: de, model: pc105, variant: nodeadkeys, options: "compose:menu" }
ca_certs: { remove_defaults: false, trusted: ["-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----"] }
growpart: { mode: auto, devices: ["/"], ignore_growroot_disabled: false }
disk_setup: { /dev/vdb: { table_type: gpt, layout: [50, 50], overwrite: false } }
fs_setup: [{ device: /dev/vdb, partition: auto, filesystem: ext4, label: data, overwrite: false }]
mounts: [[LABEL=data, /srv/data, ext4, "defaults,nofail", "0", "2"]]
resize_rootfs: true
final_message: up
`;
/** Keys that cloud-init does not have. */
const OWN = [
  ...["network", "proxy", "sysctl", "modules", "environment", "units", "containers", "persist", "health", "kernel"],
  ...["install", "updates", "drift", "stages", "config_url"],
];

/** What becomes of each of cloud-init's examples: nothing where it is accepted, else the paths that are refused (the whole document: ""). */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  "boothook.txt": [""],
  "cloud-config-add-apt-repos.txt": ["apt"],
  "cloud-config-ansible-controller.txt": [
    "package_update",
    "package_upgrade",
    "packages",
    "lxd",
    "ansible",
    "write_files[0].permissions",
    "write_files[1].permissions",
  ],
  "cloud-config-ansible-managed.txt": [],
  "cloud-config-ansible-pull.txt": ["package_update", "package_upgrade", "packages", "ansible"],
  "cloud-config-apt.txt": ["apt_pipelining", "packages", "apt"],
  "cloud-config-archive-launch-index.txt": [""],
  "cloud-config-archive.txt": [""],
  "cloud-config-boot-cmds.txt": ["bootcmd[1]"],
  "cloud-config-ca-certs.txt": ["ca_certs.trusted[0]", "ca_certs.trusted[1]"],
  "cloud-config-chef-oneiric.txt": ["apt", "chef"],
  "cloud-config-chef.txt": ["apt", "chef"],
  "cloud-config-datasources.txt": ["datasource"],
  "cloud-config-disk-setup.txt": ["disk_setup"],
  "cloud-config-gluster.txt": ["packages"],
  "cloud-config-install-packages.txt": ["packages"],
  "cloud-config-launch-index.txt": ["package_upgrade"],
  "cloud-config-lxd.txt": ["lxd"],
  "cloud-config-mount-points.txt": ["mounts[2]", "mounts[3][1]", "mount_default_fields", "swap"],
  "cloud-config-ntp.txt": [],
  "cloud-config-reporting.txt": ["reporting"],
  "cloud-config-run-cmds.txt": [],
  "cloud-config-ssh-keys.txt": ["ssh_keys"],
  "cloud-config-update-apt.txt": ["package_update"],
  "cloud-config-update-packages.txt": ["package_upgrade"],
  "cloud-config-user-groups.txt": [
    "users[1].selinux_user",
    "users[1].ssh_import_id",
    "users[2].ssh_import_id",
    "users[4].inactive",
    "users[6].name",
    "users[6].snapuser",
    "users[7].ssh_redirect_user",
  ],
  "cloud-config-wireguard.txt": ["wireguard"],
  "cloud-config-write-files.txt": [""],
  "cloud-config-yum-repo.txt": ["yum_repos"],
  "cloud-config.txt": [
    "package_update",
    "package_upgrade",
    "package_reboot_if_required",
    "packages",
    "mounts[2]",
    "mounts[3][1]",
    "mount_default_fields",
    "ssh_keys",
    "disable_ec2_metadata",
    "bootcmd[1]",
    "cloud_config_modules",
    "ssh_import_id",
    "apt",
    "byobu_by_default",
    "users[1].ssh_redirect_user",
    "locale_configfile",
    "phone_home",
    "password",
    "power_state",
  ],
  "include-once.txt": [""],
  "include.txt": [""],
  "kernel-command-line.txt": [""],
  "part-handler-v2.txt": [""],
  "part-handler.txt": [""],
  "plain-ignored.txt": [""],
  "user-script.txt": [""],
};

const problemsOf = (data: string | Uint8Array, origin: string): string[] => {
  const document = parseDocument(data, origin);
  return [...document.problems, ...effectiveConfig([document], gunzip).problems].map(problemText);
};

/** What `cloud-init schema` says; nothing where it has no objections. */
async function judged(text: string): Promise<string> {
  const tools = await testTools("config");
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-cloud-init-"));
  const file = join(folder.path, "config.yaml");
  await writeFile(file, text);
  const done = await tools
    .run(["cloud-init", "schema", "--config-file", file], { binds: [{ source: folder.path }], timeoutMs: 120_000 })
    .catch((error: unknown) => error as Error);
  if (done instanceof Error) return done.message;
  assert.match(done.stdout, /^Valid schema/m);
  return "";
}

suite("cloud-init judges our configs, and we judge its", () => {
  test("every supported key of cloud-init's is one of its own, too", async () => {
    assert.deepEqual(problemsOf(EVERYTHING, "m.yaml"), []);
    assert.equal(await judged(EVERYTHING), "");
  });

  test("the example of the documentation passes, its own keys aside", async () => {
    const [, example] = /```yaml\n(#cloud-config\n.*?)```/s.exec(await readFile(join(TOP, "docs/machine-config.md"), "utf8"))!;
    assert.deepEqual(problemsOf(example!, "docs"), []);
    const { tree } = parseDocument(example!, "docs");
    const theirs = Object.fromEntries(Object.entries(plain(tree) as object).filter(([key]) => !OWN.includes(key)));
    assert.equal(await judged(`#cloud-config\n${new Document(theirs).toString()}`), "");
  });

  test("a key that it does not know is refused by both", async () => {
    const text = "#cloud-config\nhostnam: a\n";
    assert.notDeepEqual(problemsOf(text, "m.yaml"), []);
    assert.match(await judged(text), /hostnam/);
  });

  test("each of its examples is accepted, or refused for a reason that is written down", async () => {
    const { root } = await testTools("config");
    const folder = join(root, "usr/share/doc/cloud-init/examples");
    const found: Record<string, string[]> = {};
    for (const name of (await readdir(folder)).filter((one) => one.endsWith(".txt")).toSorted()) {
      found[name] = parseDocument(await readFile(join(folder, name)), name).problems.map(({ path }) =>
        path.length === 0 ? "" : dotted(path),
      );
    }
    assert.ok(Object.keys(found).length > 30);
    assert.deepEqual(found, EXAMPLES);
    const page = await readFile(join(TOP, "docs/concepts/cloud-init.md"), "utf8");
    for (const name of Object.keys(EXAMPLES)) assert.ok(page.includes(`\`${name}\``), name);
  });

  test("each key of its schema is supported, refused, or without effect", async () => {
    const { root } = await testTools("config");
    const file = join(root, "usr/lib/python3/dist-packages/cloudinit/config/schemas/schema-cloud-config-v1.json");
    const { properties } = JSON.parse(await readFile(file, "utf8")) as { readonly properties: Readonly<Record<string, unknown>> };
    const unknown = Object.keys(properties).filter((key) =>
      parseDocument(`#cloud-config\n"${key}": 1\n`, "m").problems.some(({ message }) => message.startsWith("is not a key")),
    );
    assert.deepEqual(unknown, []);
  });
});
