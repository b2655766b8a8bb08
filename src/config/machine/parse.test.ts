import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { suite, test } from "node:test";
import { gunzip } from "../../host/gunzip.ts";
import { AppError } from "../../core/error.ts";
import { MACHINE_CONFIG_LIMIT } from "../../layout/machine-config-place.ts";
import { parseMachineConfig } from "../machine-config.ts";
import { fakeUpdates } from "../updates/fake-updates.ts";
import { WEEKDAYS } from "../updates/updates-config.ts";
import { effectiveConfig } from "./merge.ts";
import type { NodeConfig } from "./node-config.ts";
import { parseDocument, requireSound } from "./parse.ts";
import { problemText } from "./problems.ts";
import { REFUSED, WITHOUT_EFFECT } from "./refused.ts";

const HEAD = "#cloud-config\n";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKn9cO2yPpVtl1hW0cVb2v6vC1w0Yh7kLGm5nB1yQXcA me@host";
const HASH = "$6$abcdefgh$7H/1LT4f9/N3wpgNunhsIqtMj62OKiS3nyNwuizouQc3u7MbYCarYeAHWYPYb2FT.lbioDm2RrkJPb9BZMN1O/";

/** A sound document, and what it comes to. */
function configOf(text: string): NodeConfig {
  const document = parseDocument(HEAD + text, "m.yaml");
  const effective = effectiveConfig([document], gunzip);
  assert.deepEqual([...document.problems, ...effective.problems].map(problemText), [], text);
  return effective.config;
}
const problemsOf = (data: string | Uint8Array): string[] => parseDocument(data, "m.yaml").problems.map(problemText);

/** Keys with nothing in them are left out. */
const notable = (config: NodeConfig): unknown =>
  Object.fromEntries(
    Object.entries(config).filter(([, value]) => typeof value !== "object" || Object.keys(value as object).length > 0),
  );

const JOIN = `0badcafe.${"s".repeat(32)}.${"f".repeat(43)}`;

suite("a document comes to", () => {
  const nothing = { users: [], drift: "report" };
  const user = { groups: [], isSystem: false, noHome: false, isLocked: true, authorizedKeys: [], sudo: [] };
  const file = { mode: 0o644, owner: "root:root", append: false, defer: false };
  const cases: readonly (readonly [text: string, expected: object])[] = [
    ["", {}],
    ["{}", {}],
    ["hostname: edge-1", { hostname: "edge-1" }],
    ["fqdn: a.b.example", { hostname: "a", fqdn: "a.b.example" }],
    ["hostname: x\nfqdn: a.b.example\nprefer_fqdn_over_hostname: true", { hostname: "a.b.example", fqdn: "a.b.example" }],
    ["manage_etc_hosts: localhost", { manageEtcHosts: true }],
    ["users: [default, bob]", { users: [{ name: "bob", ...user }] }],
    [
      `users: [{ name: ops, uid: "900", gecos: O. Ps, groups: "a, b", primary_group: c, homedir: /srv/ops, shell: /bin/sh, system: true }]`,
      {
        users: [
          {
            ...{
              name: "ops",
              uid: 900,
              gecos: "O. Ps",
              home: "/srv/ops",
              shell: "/bin/sh",
              primaryGroup: "c",
              groups: ["a", "b"],
            },
            ...{ isSystem: true, noHome: true, isLocked: true, authorizedKeys: [], sudo: [] },
          },
        ],
      },
    ],
    [
      `users: [{ name: a, passwd: ${HASH}, lock-passwd: false, sudo: 'ALL=(ALL) ALL', expiredate: '1970-01-11', ssh-authorized-keys: ['${KEY}'] }]`,
      {
        users: [
          {
            name: "a",
            ...user,
            passwordHash: HASH,
            isLocked: false,
            authorizedKeys: [KEY],
            sudo: ["ALL=(ALL) ALL"],
            expires: 10,
          },
        ],
      },
    ],
    [
      "users: [{ name: a, sudo: false }, { name: b, sudo: ~ }]",
      {
        users: [
          { name: "a", ...user },
          { name: "b", ...user },
        ],
      },
    ],
    [
      `user: admin\npassword: ${HASH}\nssh_authorized_keys: ['no-pty,from="10.0.0.0/8" ${KEY}']`,
      {
        defaultUser: "admin",
        authorizedKeys: [`no-pty,from="10.0.0.0/8" ${KEY}`],
        users: [{ name: "admin", ...user, isLocked: false, passwordHash: HASH }],
      },
    ],
    [
      `chpasswd: { expire: false, users: [{ name: root, password: ${HASH}, type: hash }] }`,
      { users: [{ name: "root", ...user, isLocked: false, passwordHash: HASH }] },
    ],
    ["groups: a, b", { groups: ["a", "b"].map((name) => ({ name, members: [] })) }],
    [
      "groups: [a, { b: [x, y] }]",
      {
        groups: [
          { name: "a", members: [] },
          { name: "b", members: ["x", "y"] },
        ],
      },
    ],
    [
      "groups: { a: x, b: { gid: 300 } }",
      {
        groups: [
          { name: "a", members: ["x"] },
          { name: "b", gid: 300, members: [] },
        ],
      },
    ],
    ["ssh_pwauth: unchanged\ndisable_root: true", { sshRoot: false }],
    ["ssh_pwauth: yes", { sshPasswords: true }],
    [
      "write_files: [{ path: /etc/a, content: x, permissions: '0600', owner: 'bob', defer: true, append: true }]",
      { files: [{ path: "/etc/a", content: { text: "x" }, mode: 0o600, owner: "bob:root", append: true, defer: true }] },
    ],
    ["write_files: [{ path: /etc/a }]", { files: [{ path: "/etc/a", content: { text: "" }, ...file }] }],
    [
      "write_files: [{ path: /etc/a, content: aGk=, encoding: b64 }]",
      { files: [{ path: "/etc/a", content: { base64: "aGk=" }, ...file }] },
    ],
    [
      "write_files: [{ path: /etc/a, encoding: gz+b64, content: H4sIAAAAAAAAA8sAAKwqk9gCAAAA }]".replace(
        "H4sIAAAAAAAAA8sAAKwqk9gCAAAA",
        "H4sIAAAAAAACA8vIBACsKpPYAgAAAA==",
      ),
      { files: [{ path: "/etc/a", content: { base64: "aGk=" }, ...file }] },
    ],
    [
      "write_files: [{ path: /etc/a, source: { uri: 'https://files.example/a', headers: { X-Token: t } } }]",
      { files: [{ path: "/etc/a", content: { url: "https://files.example/a", headers: { "X-Token": "t" } }, ...file }] },
    ],
    ["runcmd: [ls, [sleep, 5], ~]\nbootcmd: ['true']", { runCommands: ["ls", ["sleep", "5"]], bootCommands: ["true"] }],
    ["ntp: ~", { ntp: { enabled: true, servers: [], pools: [] } }],
    [
      "ntp: { servers: [a.example, '2001:db8::1'] }",
      { ntp: { enabled: true, servers: ["a.example", "2001:db8::1"], pools: [] } },
    ],
    [
      "timezone: Europe/Berlin\nlocale: en_GB.UTF-8\nkeyboard: { layout: de }",
      { timezone: "Europe/Berlin", locale: "en_GB.UTF-8", keyboard: { layout: "de" } },
    ],
    ["locale: false", {}],
    [
      "network: { version: 2, ethernets: { eth0: { dhcp4: true } } }",
      { network: { version: 2, ethernets: { eth0: { dhcp4: true } } } },
    ],
    [
      'ca-certs: { remove-defaults: true, trusted: "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----" }',
      { certificates: { removeDefaults: true, trusted: ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"] } },
    ],
    [
      "proxy: { http: 'http://proxy.example:3128', no_proxy: 'a,b' }",
      { proxy: { http: "http://proxy.example:3128", none: ["a", "b"] } },
    ],
    ["sysctl: { net.ipv4.ip_forward: 1 }", { sysctl: { "net.ipv4.ip_forward": "1" } }],
    [
      "modules: [a, { name: b, options: x=1, blacklist: true }]",
      {
        modules: [
          { name: "a", blacklist: false },
          { name: "b", options: "x=1", blacklist: true },
        ],
      },
    ],
    ["environment: { A: true, B: b c }", { environment: { A: "true", B: "b c" } }],
    [
      "units: [{ name: a.service, enable: true, mask: false, drop_ins: [{ name: x.conf, content: y }] }]",
      { units: [{ name: "a.service", dropIns: [{ name: "x.conf", content: "y" }], enabled: true, masked: false }] },
    ],
    [
      "containers: [{ name: web, image: 'registry.example/web:1', ports: ['127.0.0.1:80:80', '53:53/udp'], volumes: ['/srv:/srv:ro'] }]",
      {
        containers: [
          {
            ...{ name: "web", image: "registry.example/web:1", environment: {}, ports: ["127.0.0.1:80:80", "53:53/udp"] },
            ...{ volumes: ["/srv:/srv:ro"], restart: "always", quadlet: {}, command: [], readOnly: false },
          },
        ],
      },
    ],
    ["growpart: { mode: 'off' }", { grow: false }],
    [
      "disk_setup: { /dev/vdb: { layout: [30, 70] } }",
      { disks: [{ device: "/dev/vdb", table: "gpt", partitions: [30, 70], overwrite: false }] },
    ],
    [
      "fs_setup: [{ device: /dev/vdb, partition: 1, filesystem: ext4, label: data }]",
      { fileSystems: [{ device: "/dev/vdb", partition: 1, type: "ext4", overwrite: false, label: "data" }] },
    ],
    [
      "mounts: [[LABEL=data, /srv/data, ext4, noatime, 0, 0], [b, /mnt]]",
      {
        mounts: [
          { what: "LABEL=data", where: "/srv/data", type: "ext4", options: "noatime", pass: 0 },
          { what: "b", where: "/mnt", type: "auto", options: "defaults,nofail", pass: 2 },
        ],
      },
    ],
    ["persist: [/var/lib/app]", { persistent: ["/var/lib/app"] }],
    [
      "health: { deadline: 1h, on_failure: reboot, checks: [{ tcp: 'a:1' }] }",
      {
        health: {
          deadlineSeconds: 3600,
          onFailure: "reboot",
          checks: [{ name: "a:1", timeoutSeconds: 10, kind: "tcp", host: "a", port: 1 }],
        },
      },
    ],
    ["kernel: { args: [quiet] }", { kernelArgs: { append: ["quiet"], remove: [] } }],
    ["install: { device: ' auto ', wipe: true, after: stay }", { install: { device: "auto", wipe: true, after: "stay" } }],
    [
      "updates: { source: 'registry.example/os:stable' }",
      { updates: fakeUpdates({ source: "registry.example/os", check: { every: 21_600, jitter: 2160 } }) },
    ],
    [
      `timezone: Europe/Berlin
updates:
  source: oci:/mnt/stick
  channel: { versions: ^1.4 }
  check: 2h
  jitter: 5min
  mode: apply
  windows: [{ days: [sat, sun], start: "02:00", length: 3h }, { start: 22:30, length: 45min, zone: America/New_York }]
  exceptions: [{ from: 2026-12-24, to: 2027-01-06 }, { from: 2026-11-27 }]
  hold: 2026-12-01
  min_age: 48h
  max_delay: 168h
  bandwidth: 512KiB
  metered: download
  retry: { limit: 3 }
  coordination: { fleetlock: { url: 'https://lock.example/', group: edge } }
  webhook: { url: 'https://hook.example/x', headers: { Authorization: Bearer x } }`,
      {
        timezone: "Europe/Berlin",
        updates: {
          ...{ source: "oci:/mnt/stick", channel: { versions: "^1.4" }, check: { every: 7200, jitter: 300 }, mode: "apply" },
          windows: [
            { days: ["sat", "sun"], start: "02:00", length: 10_800, zone: "Europe/Berlin" },
            { days: WEEKDAYS, start: "22:30", length: 2700, zone: "America/New_York" },
          ],
          exceptions: [
            { from: "2026-12-24", to: "2027-01-06" },
            { from: "2026-11-27", to: "2026-11-27" },
          ],
          ...{ holdUntil: Date.parse("2026-11-30T23:00Z") / 1000, minAge: 172_800, maxDelay: 604_800, bandwidth: 524_288 },
          ...{ metered: "download", retry: { first: 300, longest: 21_600, limit: 3 } },
          coordination: { fleetlock: { url: "https://lock.example", group: "edge" } },
          webhook: { url: "https://hook.example/x", headers: { Authorization: "Bearer x" } },
        },
      },
    ],
    ["api: { authority: 'ca.example' }", { api: { authority: "ca.example" } }],
    [`api: { authority: '[fd00::2]:50001', join: ${JOIN} }`, { api: { authority: "[fd00::2]:50001", join: JOIN } }],
    ["drift: mend", { drift: "mend" }],
    ["resize_rootfs: noblock\nfinal_message: up", {}],
  ];
  for (const [text, expected] of cases) {
    test(text.slice(0, 90) || "nothing", () => {
      const { users, ...rest } = notable(configOf(text)) as Record<string, unknown>;
      assert.deepEqual({ users: users ?? [], ...rest }, { ...nothing, ...expected });
    });
  }

  test("steps, as yip has them", () => {
    const { stages } = configOf(`stages:
  initramfs:
    - name: first
      if: test -e /x
      if_files: [/a]
      only_os: debian
      only_os_version: "12|13"
      only_arch: x86_64
      only_service_manager: systemd
      commands: [echo a, [echo, b]]
      files: [{ path: /etc/a, content: x, permissions: "0600", owner: 5, group: adm }]
      directories: [{ path: /srv/a, permissions: "0700", owner_string: "bob:adm" }]
      users: { bob: { groups: [a], passwd: "${HASH}" } }
      authorized_keys: { bob: ["${KEY}"] }
      ensure_entities:
        - { path: /etc/group, entity: "kind: group\\ngroup_name: g\\ngid: 7\\nusers: a,b\\n" }
        - { entity: "kind: shadow\\nusername: bob\\npassword: '!'\\n" }
      hostname: h
      sysctl: { vm.swappiness: 10 }
      systemctl: { enable: [a.service], start: [b.service] }
      modules: [loop]
      dns: { nameservers: [192.0.2.1], search: [example] }
      environment: { A: b }
      environment_file: /etc/env
      downloads: [{ path: /etc/d, url: 'https://files.example/d', permissions: "0640" }]
      timesyncd: { NTP: a b, FallbackNTP: c }
      layout: { device: { label: x }, add_partitions: [{ fsLabel: y, size: 10 }] }
      after: [{ name: x }, y]
      on_error: continue
    - commands: ["true"]
    - name: x
    - name: y
`);
    const [first, second] = stages.initramfs!;
    assert.equal(second!.name, "initramfs.2");
    assert.deepEqual(first, {
      name: "first",
      conditions: {
        ...{ command: "test -e /x", files: ["/a"], anyFile: [], noFiles: [], os: "debian", osVersion: "12|13" },
        ...{ architecture: "x86_64", serviceManager: "systemd" },
      },
      after: ["x", "y"],
      onError: "continue",
      commands: ["echo a", ["echo", "b"]],
      files: [{ path: "/etc/a", content: { text: "x" }, mode: 0o600, owner: "5:adm", append: false, defer: false }],
      directories: [{ path: "/srv/a", mode: 0o700, owner: "bob:adm" }],
      users: [{ name: "bob", ...user, groups: ["a"], passwordHash: HASH, isLocked: false }],
      groups: [],
      authorizedKeys: { bob: [KEY] },
      entities: [
        { kind: "group", line: "g:x:7:a,b" },
        { kind: "shadow", line: "bob:!::0:99999:7:::" },
      ],
      hostname: "h",
      sysctl: { "vm.swappiness": "10" },
      systemctl: { enable: ["a.service"], disable: [], start: ["b.service"], stop: [], restart: [], mask: [] },
      modules: [{ name: "loop", blacklist: false }],
      dns: { nameservers: ["192.0.2.1"], search: ["example"], options: [] },
      environment: { A: "b" },
      environmentFile: "/etc/env",
      downloads: [{ path: "/etc/d", url: "https://files.example/d", mode: 0o640, owner: "root:root" }],
      timesyncd: { enabled: true, servers: ["a", "b"], pools: ["c"] },
      layout: { device: { label: "x" }, add_partitions: [{ fsLabel: "y", size: 10, filesystem: "ext4" }] },
    });
  });
});

suite("what is wrong is told with its place, its path and what was probably meant", () => {
  const refused: readonly (readonly [text: string, message: RegExp])[] = [
    ["hostnam: a", /^m\.yaml:2:1: hostnam: is not a key of a machine config, did you mean hostname\?$/],
    ["users:\n  - name: a\n    ssh_key: []", /^m\.yaml:4:5: users\[0\]\.ssh_key: is not a key here$|did you mean/],
    ["users: [{ name: a, shel: /bin/sh }]", /^m\.yaml:2:20: users\[0\]\.shel: is not a key here, did you mean shell\?$/],
    ["stages: { boot: [{ comands: [] }] }", /stages\.boot\[0\]\.comands: .*did you mean commands\?/],
    ["stages: { bot: [] }", /stages\.bot: is not a key here, did you mean boot\?/],
    ["hostname: [a]", /^m\.yaml:2:11: hostname: must be text, found a list$/],
    ["hostname:", /hostname: must be text, found nothing$/],
    ["hostname: a_b", /hostname: must be a host name/],
    ["hostname: 0x10", /hostname: must be text, found a number$/],
    ["users: [{ name: a, lock_passwd: no }]", /lock_passwd: must be true or false, found "no"$/],
    ["users: [{}]", /^m\.yaml:2:9: users\[0\]\.name: is missing$/],
    ["users: [{ name: a }, { name: a }]", /users\[1\]: a is there twice$/],
    ["users: [{ name: root, uid: 5 }]", /root has uid 0/],
    ["users: [{ name: a, plain_text_passwd: hunter2 }]", /plain_text_passwd: would stand in the clear/],
    ["users: [{ name: a, passwd: hunter2 }]", /passwd: must be a crypt hash/],
    ["users: [{ name: a, groups: { b: 1 } }]", /users\[0\]\.groups: must be (?:a list or text|text or a list), found a mapping$/],
    ["write_files: [{ path: /etc/a, permissions: 0644 }]", /permissions: must be text, found a number$/],
    ["write_files: [{ path: /usr/bin/a }]", /lies in \/usr, which is part of the image/],
    ["write_files: [{ path: ../a }]", /write_files\[0\]\.path: must be an absolute path/],
    [
      "write_files: [{ path: /etc/a, content: '%%%', encoding: b64 }]",
      /write_files\[0\]\.content: must be base64, as encoding: b64 says$/,
    ],
    ["write_files: [{ path: /etc/a }, { path: /etc/a }]", /\/etc\/a is there twice/],
    ["bootcmd: [[cloud-init-per, once, x, ls]]", /bootcmd\[0\]: is a program of cloud-init's/],
    ["users: [" + "{ name: a },".repeat(1001) + "]", /users: must be at most 1000 entries$/],
    ["runcmd: ls", /runcmd: must be a list, found text$/],
    ["packages: [vim]", /packages: is not done on a machine: software is part of the image/],
    ["ca-certs: { trust: [] }", /^m\.yaml:2:13: ca-certs\.trust: is not a key here, did you mean trusted\?$/],
    ["network: { version: 1 }", /network\.version: must be 2/],
    ["sysctl: { 'a b': 1 }", /must be the name of a kernel parameter/],
    ["kernel: { args: [root=/dev/sda] }", /cannot be set: the root is found by its hash$/],
    ["persist: [/etc/passwd]", /cannot be persistent: \/etc\/passwd/],
    ["install: { wipe: yes }", /install\.wipe: must be true or false, found "yes"$/],
    ["install: { device: 'size:x' }", /install\.device: must name a disk/],
    ["chpasswd: { expire: true }", /chpasswd\.expire: must be false, found true$/],
    ["drift: mendd", /drift: must be report or mend or off, found "mendd", did you mean mend\?$/],
    ["updates: { network: { when: [boot] } }", /updates\.network: is cloud-init's/],
    ["updates: { automatic: true }", /updates\.automatic: is said by mode/],
    [
      "updates: { source: 'https://registry.example/os' }",
      /updates\.source: must end with \/ where it is a folder on an HTTP server/,
    ],
    ["updates: { source: 'oci:stick' }", /updates\.source: must be registry\.example\/image, oci:\/folder, or/],
    ["updates: { source: 'registry.example/os:stable', channel: beta }", /updates\.channel: stands beside a source with a tag/],
    ["updates: { channel: { tag: a, versions: ^1 } }", /updates\.channel: must have exactly one of tag, versions, digest$/],
    ["updates: { channel: { versions: newest } }", /updates\.channel\.versions: must be a range of versions/],
    ["updates: { channel: ^1.4 }", /updates\.channel: must be a tag, such as stable; ranges stand under versions$/],
    ["updates: { mode: auto }", /updates\.mode: must be notify or download or stage or apply/],
    ["updates: { windows: [{ start: '02:00' }] }", /updates\.windows\[0\]\.length: is missing$/],
    [
      "updates: { windows: [{ start: '02:00', length: '02:00' }] }",
      /length: must be how long it is, such as 3h, not a time of day$/,
    ],
    ["updates: { windows: [{ start: '02:00', length: 0h }] }", /length: must be a whole number and a unit/],
    ["updates: { windows: [{ start: '02:00', length: 5min }] }", /length: must be 10min … 168h: an update takes minutes/],
    ["updates: { windows: [{ start: '25:00', length: 1h }] }", /start: must be a time of day, such as "02:00"$/],
    ["updates: { windows: [{ start: '02:00', length: 1h, days: [] }] }", /days: must name a day, or be left out for all$/],
    ["updates: { windows: [{ start: '02:00', length: 1h, days: [sat, sat] }] }", /days: has a day twice$/],
    [
      "updates: { windows: [{ start: '02:00', length: 1h, zone: Europe/Berlim }] }",
      /zone: must be a name of the time zone database/,
    ],
    ["updates: { windows: [{ start: '02:00', length: 1h, zone: '+01:00' }] }", /zone: must be a name of the time zone database/],
    ["updates: { windows: [{ start: '02:00', length: 25h }] }", /length: must be at most 24h: then the window begins again$/],
    [
      "updates: { windows: [{ start: '02:00', length: 49h, days: [sun, fri] }] }",
      /length: must be at most 48h: then the window begins again$/,
    ],
    [
      "updates: { windows: [{ start: '02:00', length: 1h }, { start: '02:00', length: 2h, days: [sat] }] }",
      /updates\.windows\[1\]: begins with windows\[0\] on the same days, and is not as long$/,
    ],
    ["updates: { exceptions: [{ from: 2026-12-24, to: 2026-12-01 }] }", /exceptions\[0\]\.to: lies before from$/],
    ["updates: { exceptions: [{ from: 2026-02-30 }] }", /exceptions\[0\]\.from: must be a day, such as 2026-12-24$/],
    [
      "updates: { exceptions: [{ from: 2026-12-24 }, { from: 2026-12-24, to: 2026-12-26 }] }",
      /exceptions\[1\]: begins on 2026-12-24/,
    ],
    ["updates: { hold: tomorrow }", /updates\.hold: must be a day, such as 2027-01-15, or a moment/],
    ["updates: { min_age: 48h, max_delay: 24h }", /updates\.max_delay: is shorter than min_age/],
    ["updates: { check: 1h, jitter: 2h }", /updates\.jitter: is longer than check$/],
    ["updates: { retry: { first: 1h, longest: 5min } }", /updates\.retry\.longest: is shorter than first$/],
    [
      "updates: { coordination: { fleetlock: { url: 'https://a', group: 'a b' } } }",
      /group: must be letters, digits, dots and dashes$/,
    ],
    ["config_url: ftp://a/b", /config_url: must be an http or https URL$/],
    [
      "stages: { boot: [{ name: a, layout: { device: {}, add_partitions: [{}] } }] }",
      /layout\.device: must have exactly one of path, label$/,
    ],
    [
      "stages: { boot: [{ ensure_entities: [{ entity: 'kind: user\nusername: a' }] }] }"
        .replace("\n", "\\n")
        .replaceAll("'", '"'),
      /a user needs uid$/,
    ],
    ["stages: { boot: [{ only_os: '(' }] }", /only_os: must be a regular expression$/],
    ["disk_setup: { /dev/sdb1: {} }", /disk_setup\.\/dev\/sdb1: is a partition, which gets no table: name the disk$/],
    ["disk_setup: { /dev/nvme0n1p2: {} }", /is a partition/],
    ["disk_setup: { /dev/disk/by-id/ata-x-part1: {} }", /is a partition/],
    ["disk_setup: { /dev/vdb: { layout: [60, 60] } }", /vdb\.layout: must not be more than 100 together$/],
    [
      "disk_setup: { /dev/vdb: { table_type: mbr, layout: [10, 10, 10, 10, 10] } }",
      /vdb\.layout: must be at most 4 with table_type: mbr$/,
    ],
    [
      "fs_setup: [{ device: /dev/vdb, partition: none, filesystem: vfat, label: more-than-eleven }]",
      /fs_setup\[0\]\.label: must be at most 11 characters for vfat$/,
    ],
    ["fs_setup: [{ device: /dev/vdb1, partition: 1, filesystem: ext4 }]", /partition: is of a partition, which has none$/],
    ["stages: { boot: [{ layout: { device: { path: /dev/vdb2 }, add_partitions: [{}] } }] }", /device\.path: is a partition/],
    [
      "stages: { boot: [{ layout: { device: { path: /dev/vdb }, add_partitions: [{}, { size: 5 }] } }] }",
      /add_partitions\[0\]\.size: is all that is left, and another one follows$/,
    ],
    [
      "stages: { boot: [{ layout: { device: { path: /dev/vdb }, add_partitions: [{ filesystem: vfat, fsLabel: more-than-eleven }] } }] }",
      /fsLabel: must be at most 11 characters for vfat$/,
    ],
    ["users: &a [[]]\nmodules: *a", /m\.yaml:2:12: modules\[0\]: must be/],
  ];
  for (const [text, message] of refused) {
    test(text.slice(0, 90), () =>
      assert.ok(
        problemsOf(HEAD + text).some((problem) => message.test(problem)),
        problemsOf(HEAD + text).join("\n"),
      ),
    );
  }

  test("all of it at once, from the first line to the last", () => {
    const text = "#cloud-config\nhostnam: a\nusers:\n  - nam: b\ntimezone: 5\npackages: []\n";
    assert.deepEqual(
      problemsOf(text).map((problem) => problem.split(": ").slice(0, 2).join(": ")),
      [
        "m.yaml:2:1: hostnam",
        "m.yaml:4:5: users[0].name",
        "m.yaml:4:5: users[0].nam",
        "m.yaml:5:11: timezone",
        "m.yaml:6:1: packages",
      ],
    );
    assert.throws(() => requireSound([parseDocument(text, "m.yaml")]), { code: "MACHINE_CONFIG_INVALID" });
  });

  test("yes, on and 0644 are told how YAML 1.2 has them", () => {
    const hintOf = (text: string): string | undefined => parseDocument(HEAD + text, "m").problems[0]?.hint;
    assert.match(hintOf("disable_root: on")!, /^Write true: on is text in YAML 1\.2\.$/);
    assert.match(hintOf("write_files: [{ path: /etc/a, permissions: 0644 }]")!, /"0644"/);
    assert.match(hintOf("write_files: [{ path: /etc/a, permissions: 0o600 }]")!, /"0600"/);
  });
});

suite("what cannot be used at all is one problem, and the rest is nothing", () => {
  const bytes = (...list: number[]): Uint8Array => new Uint8Array([...new TextEncoder().encode(HEAD), ...list]);
  const refused: readonly (readonly [what: string, data: string | Uint8Array, message: RegExp])[] = [
    ["no first line", "hostname: a\n", /^m\.yaml:1:1: is no machine config: its first line/],
    ["a script", "#!/bin/sh\n", /is a script, which is not read$/],
    ["an include", "#include\nhttps://a.example\n", /is a list of further documents/],
    ["MIME", "Content-Type: multipart/mixed; boundary=x\n", /is a MIME message/],
    ["a template", "## template: jinja\n#cloud-config\n", /is a template/],
    ["gzip", new Uint8Array([0x1f, 0x8b, 8, 0]), /is compressed/],
    ["UTF-16", Uint8Array.of(0xff, 0xfe, 0x23, 0), /^m\.yaml:1:1: is UTF-16, which is not read$/],
    ["no UTF-8", bytes(0xff, 0xfe), /^m\.yaml:2:1: is not UTF-8 from here on$/],
    ["a NUL", `${HEAD}hostname: "a\0"\n`, /^m\.yaml:2:13: has a character that YAML does not take \(U\+0000\)$/],
    ["a tab", `${HEAD}users:\n\t- a\n`, /^m\.yaml:3:1: a tab is no indentation in YAML$/],
    ["a list", `${HEAD}- a\n`, /must be a mapping$/],
    ["a key that is there twice", `${HEAD}hostname: a\nhostname: b\n`, /^m\.yaml:3:1: hostname: is here for the second time$/],
    [
      "a key within that is there twice",
      `${HEAD}ntp: { enabled: true, enabled: false }\n`,
      /ntp\.enabled: is here for the second time$/,
    ],
    ["a second document", `${HEAD}hostname: a\n---\nhostname: b\n`, /a second document starts here$/],
    ["__proto__", `${HEAD}environment: { __proto__: x }\n`, /__proto__ is no key$/],
    ["a key that is a list", `${HEAD}? [a]\n: b\n`, /a key must be text$/],
    ["an alias of nothing", `${HEAD}hostname: *x\n`, /an alias of an anchor that is not there$/],
    ["an anchor that holds itself", `${HEAD}users: &x [*x]\n`, /an anchor that holds itself$/],
    ["a tag", `${HEAD}hostname: !vault x\n`, /a tag that is not known$/],
    ["an open quote", `${HEAD}password: "hunter2\n`, /not YAML: a character is missing/],
    ["more than is read", `${HEAD}#${"x".repeat(MACHINE_CONFIG_LIMIT)}`, /more than 1024 KiB is not read$/],
    ["deep brackets", `${HEAD}a: ${"[".repeat(50_000)}`, /nested (?:too deep|deeper)/],
    ["deep lists", `${HEAD}a:\n ${"- ".repeat(50_000)}x`, /nested (?:too deep|deeper)/],
    ["100 levels", `${HEAD}a: ${"[".repeat(100)}${"]".repeat(100)}`, /nested deeper than 64 levels$/],
    [
      "a million laughs",
      `${HEAD}a0: &a0 [x, x]\n${Array.from({ length: 40 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`).join("\n")}\n`,
      /more than 200000 values$/,
    ],
  ];
  for (const [what, data, message] of refused) {
    test(what, () => {
      const { problems, tree } = parseDocument(data, "m.yaml");
      assert.equal(problems.length, 1);
      assert.match(problemText(problems[0]!), message);
      assert.equal(tree.entries.size, 0);
    });
  }

  test("a byte order mark and lines that end with CR LF are no reason", () => {
    const document = parseDocument(`\uFEFF#cloud-config\r\nhostname: a\r\n`, "m.yaml");
    assert.deepEqual(document.problems, []);
    assert.equal(effectiveConfig([document], gunzip).config.hostname, "a");
  });

  test("what would take a time that grows with its square takes little", () => {
    const much = (line: (i: number) => string, count = 10_000): string =>
      `${HEAD}${Array.from({ length: count }, (_, i) => line(i)).join("\n")}`.slice(0, MACHINE_CONFIG_LIMIT);
    for (const text of [
      much((i) => `key${i}: 1`),
      much((i) => `&a${i} k${i}: *a${i}`),
      much((i) => `- ${i}`),
      `${HEAD}users:\n${much((i) => ` - {a${i}: 1}`).slice(HEAD.length)}`,
    ]) {
      const since = performance.now();
      assert.ok(parseDocument(text, "m.yaml").problems.length > 0);
      assert.ok(performance.now() - since < 60_000, text.slice(0, 60));
    }
  });
});

suite("at boot the rest is used", () => {
  const rest = (text: string): unknown => notable(effectiveConfig([parseDocument(HEAD + text, "m")], gunzip).config);
  const cases: readonly (readonly [what: string, text: string, expected: object])[] = [
    ["a key that is not known", "hostname: a\nfrom_the_future: { x: 1 }", { hostname: "a" }],
    ["a bad value", "hostname: a\ntimezone: [5]", { hostname: "a" }],
    [
      "a file is left out as a whole: its mode could be the mistake",
      "write_files: [{ path: /etc/a, permission: '0600', content: secret }]",
      {},
    ],
    [
      "a unit is left out as a whole",
      "units: [{ name: a.service, contents: x }, { name: b.service }]",
      { units: [{ name: "b.service", dropIns: [] }] },
    ],
    ["a step is left out as a whole: it could be a condition", "stages: { boot: [{ onli_os: debian, commands: [halt] }] }", {}],
    ["a list of commands is left out as a whole", "runcmd: [cd /x, [], rm -rf data]", {}],
    [
      "a user loses the key only",
      "users: [{ name: a, shel: x }]",
      { users: [{ name: "a", groups: [], isSystem: false, noHome: false, isLocked: true, authorizedKeys: [], sudo: [] }] },
    ],
    ["content that is no gzip", "write_files: [{ path: /etc/a, content: aGk=, encoding: gz }]\nhostname: a", { hostname: "a" }],
    [
      "updates are left out as a whole: without the window that was misspelled the machine would restart at any time",
      "hostname: a\nupdates: { mode: apply, windows: [{ start: '02:00', lenght: 3h }] }",
      { hostname: "a" },
    ],
    ["a password of nobody", `password: ${HASH}\nhostname: a`, { hostname: "a" }],
  ];
  for (const [what, text, expected] of cases) {
    test(what, () => {
      assert.deepEqual(rest(text), { drift: "report", ...expected });
      const document = parseDocument(HEAD + text, "m");
      assert.ok(document.problems.length + effectiveConfig([document], gunzip).problems.length > 0, "it is told");
    });
  }
});

test("no secret is in a message", () => {
  const SECRET = "hunter2-hunter2";
  for (const text of [
    `users: [{ name: a, passwd: ${SECRET} }]`,
    `users: ${SECRET}`,
    `ntp: ~\n  ${SECRET}`,
    `drift: mend\n  ${SECRET}`,
    `chpasswd: ${SECRET}`,
    `write_files: [{ path: /etc/a, content: [${SECRET}] }]`,
    `write_files: [${SECRET}]`,
    `environment: { A: [${SECRET}] }`,
    `network: ${SECRET}`,
    `network: { version: ${SECRET} }`,
    `proxy: { http: 'ftp://u:${SECRET}@a' }`,
    `unknown: ${SECRET}`,
    `stages: { boot: [{ ensure_entities: [{ entity: '${SECRET}' }] }] }`,
    `users: [{ name: a, passwd:${SECRET} }]`,
    `hostname: "${SECRET}`,
    `a: [${SECRET}: , }`,
    `config_url: { url: 'https://a', headers: ${SECRET} }`,
    `${SECRET}: x`,
    `"${SECRET} ": x`,
    `users: [{ name: a, ${SECRET} }]`,
    `users: [{ name: a, ${SECRET}passwd: x }]`,
    `password:\n  ${SECRET}:`,
    `${SECRET}: a\n${SECRET}: b`,
    `environment: { ${SECRET} }`,
    `config_url: { url: 'https://a', headers: { ${SECRET} } }`,
    `chpasswd: { ${SECRET}: a, ${SECRET}: b }`,
    `sysctl: { "${SECRET} ": 1 }`,
    `disk_setup: { ${SECRET}: {} }`,
    `stages: { boot: [{ systemctl: { ${SECRET}: [] } }] }`,
    `stages: { ${SECRET}: [] }`,
    `ssh_pwauth: ${SECRET}`,
    `install: { wipe: ${SECRET}, after: ${SECRET} }`,
    `network: { version: 2, renderer: ${SECRET} }`,
    `network: { version: 2, ${SECRET}: {} }`,
    `network: { version: 2, wifis: { w0: { password: ${SECRET}, access-points: { a: { ${SECRET}: x } } } } }`,
    `network: { version: 2, wifis: { w0: { access-points: { a: ${SECRET} } } } }`,
    `network: { version: 2, tunnels: { t0: { mode: wireguard, key: ${SECRET}, peers: [{ keys: ${SECRET} }] } } }`,
    `network: { version: 2, vlans: { v1: { id: 1, link: ${SECRET} } } }`,
  ]) {
    const document = parseDocument(HEAD + text, "m");
    const problems = [...document.problems, ...effectiveConfig([document], gunzip).problems];
    assert.ok(problems.length > 0, text);
    assert.doesNotMatch(problems.map((problem) => problemText(problem) + (problem.hint ?? "")).join("\n"), /hunter2/, text);
  }
});

suite("a key is told as far as it is a word of the language, or a slip of one", () => {
  const cases: readonly (readonly [text: string, told: string])[] = [
    ["hostnam: a", "hostnam: is not a key of a machine config"],
    ["from_the_future: { x: 1 }", "from_the_future: is not a key of a machine config"],
    ["environment: { swordfish }", "environment.<secret>: must be text or a number or true or false, found nothing"],
    ["swordfish: a", "<secret>: is not a key of a machine config"],
    ["users: [{ name: a, swordfish: ~ }]", "users[0].<secret>: is not a key here"],
    ["users: [{ name: a, write_files: ~ }]", "users[0].write_files: is not a key here"],
    ["users: [{ name: a, 'passwd:swordfish': ~ }]", "users[0].passwd…: is not a key here"],
    ["users: [{ name: a, 'swordfish:passwd': ~ }]", "users[0].<secret>: is not a key here"],
    ["stages: { boot: [{ environment_swordfish: ~ }] }", "stages.boot[0].<secret>: is not a key here"],
    ["environment: { A: [], A: [] }", "environment.A: is here for the second time"],
    ["users: { swordfish: 1, swordfish: 2 }", "users.<secret>: is here for the second time"],
    ["sysctl: { 'sword fish': 1 }", "sysctl.<secret>: must be the name of a kernel parameter (the key)"],
    ["disable_root: yes", 'disable_root: must be true or false, found "yes"'],
    ["disable_root: swordfish", "disable_root: must be true or false, found text"],
    ["drift: mendd", 'drift: must be report or mend or off, found "mendd"'],
    ["drift: swordfish", "drift: must be report or mend or off, found text"],
    ["hostname: 20262026", "hostname: must be text, found a number"],
  ];
  for (const [text, told] of cases)
    test(text, () => {
      const [problem = ""] = problemsOf(HEAD + text);
      assert.equal(problem.replace(/^m\.yaml:\d+:\d+: /, "").replace(/, did you mean .*/, ""), told);
    });
});

test("keys that are refused have a reason, and are no keys of the schema", () => {
  for (const key of Object.keys(REFUSED)) {
    const [problem] = parseDocument(`${HEAD}"${key}": 1\n`, "m").problems;
    assert.equal(problem?.message, REFUSED[key], key);
  }
  for (const key of Object.keys(WITHOUT_EFFECT)) {
    const { problems, notes } = parseDocument(`${HEAD}${key}: 1\n`, "m");
    assert.deepEqual([problems.length, notes.length], [0, 1], key);
  }
});

test("an installer's small parser and this one judge install alike", () => {
  for (const install of [
    "{}",
    "{ device: auto }",
    "{ device: ' /dev/sda ' }",
    "{ device: '' }",
    "{ device: 5 }",
    "{ wipe: true }",
    "{ wipe: yes }",
    "{ wipe: ~ }",
    "{ after: stay }",
    "{ after: never }",
    "{ devise: x }",
    "5",
    "[]",
    "~",
    "*x",
  ]) {
    const text = `${HEAD}install: ${install}\n`;
    const document = parseDocument(text, "m.yaml");
    let small: unknown;
    try {
      small = parseMachineConfig(text, "m.yaml").install;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
    if (small === undefined) assert.notDeepEqual(document.problems, [], install);
    else assert.deepEqual(configOf(`install: ${install}`).install, small, install);
  }
});
