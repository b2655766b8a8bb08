import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { configOf, HASH, testConfigs } from "../../../tests/support/machine-documents.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKn9cO2yPpVtl1hW0cVb2v6vC1w0Yh7kLGm5nB1yQXcA me@host";
const JOIN = `0badcafe.${"s".repeat(32)}.${"f".repeat(43)}`;

suite("a document comes to", () => {
  const user = { groups: [], isSystem: false, noHome: false, isLocked: true, authorizedKeys: [], sudo: [] };
  const file = { mode: 0o644, owner: "root:root", append: false, defer: false };
  testConfigs([
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
      "write_files: [{ path: /etc/a, encoding: gz+b64, content: H4sIAAAAAAACA8vIBACsKpPYAgAAAA== }]",
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
    ["api: { authority: 'ca.example' }", { api: { authority: "ca.example" } }],
    [`api: { authority: '[fd00::2]:50001', join: ${JOIN} }`, { api: { authority: "[fd00::2]:50001", join: JOIN } }],
    ["drift: mend", { drift: "mend" }],
    ["resize_rootfs: noblock\nfinal_message: up", {}],
  ]);

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
