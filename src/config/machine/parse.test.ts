import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { configOf, HASH, HEAD, notable, problemsOf, testProblems } from "../../../tests/support/machine-documents.ts";
import { AppError } from "../../core/error.ts";
import { gunzip } from "../../host/gunzip.ts";
import { parseMachineConfig } from "../machine-config.ts";
import { effectiveConfig } from "./merge.ts";
import { parseDocument, requireSound } from "./parse.ts";
import { REFUSED, WITHOUT_EFFECT } from "./refused.ts";

suite("what is wrong is told with its place, its path and what was probably meant", () => {
  testProblems([
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
    ["config_url: ftp://a/b", /config_url: must be an http or https URL$/],
    [
      "stages: { boot: [{ name: a, layout: { device: {}, add_partitions: [{}] } }] }",
      /layout\.device: must have exactly one of path, label$/,
    ],
    ['stages: { boot: [{ ensure_entities: [{ entity: "kind: user\\nusername: a" }] }] }', /a user needs uid$/],
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
  ]);

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
