import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { GiB } from "../core/units.ts";
import { parseRecipe } from "./parse-recipe.ts";

const SMALLEST = "apiVersion: petrify/v1\nname: x\nbase: { suite: trixie }\n";
const failure = (text: string): AppError => {
  try {
    parseRecipe(text, "r.yaml");
  } catch (error) {
    assert.ok(error instanceof AppError && error.code === "RECIPE_INVALID", String(error));
    return error;
  }
  assert.fail(`was accepted: ${text}`);
};

test("a recipe of three keys gets every default", () => {
  assert.deepEqual(parseRecipe(SMALLEST, "r.yaml"), {
    apiVersion: "petrify/v1",
    name: "x",
    version: "0.1.0",
    base: { suite: "trixie" },
    profile: "open",
    sealed: { keep: [], remove: [], modules: [] },
    packages: [],
    kernel: { flavour: "cloud", cmdline: [] },
    firmware: { packages: [], microcode: [] },
    files: [],
    units: { enable: [], disable: [], mask: [] },
    users: [],
    persistent: [],
    health: { deadline: 300, onFailure: "alarm", failedUnits: true, checks: [] },
    recovery: { after: [300, 1800, 21_600] },
    api: { maintenance: false },
    disk: {},
    root: { compression: "none" },
  });
});

const key = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAA me@host";
const accepted = [
  "version: 2026.11.21-rc1",
  "packages: [g++, openssh-server, libstdc++6, 0ad]",
  "kernel: { flavour: full, cmdline: [quiet, 'mitigations=auto,nosmt', 'console=ttyS1,115200n8', 'systemd.log_level=debug'] }",
  "firmware: { packages: [firmware-realtek], microcode: [intel, amd] }",
  "files: [{ source: etc/motd, target: /etc/motd, mode: '0644', owner: 'root:adm' }, { source: overlay/, target: / }]",
  "units: { enable: [ssh.service, getty@ttyS1.service], mask: [apt-daily.timer, 'dev-disk-by\\x2dlabel-a.swap'] }",
  "init: openrc\nunits: { enable: [ssh, dbus.service, hwclock.sh, net.eth0], disable: [rc.local] }",
  `users: [{ name: admin, uid: 1000, groups: [sudo], shell: /bin/bash, home: /home/admin, sshKeys: ['${key}'] }]`,
  "users: [{ name: root, password: '$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7' }]",
  "persistent: [/var/lib/docker, /etc/ssh, /etc/NetworkManager/system-connections]",
  "health: { deadline: 5s, onFailure: reboot, failedUnits: false, checks: [{ unit: ssh.service }, { tcp: 'db.example:5432' }] }",
  "health: { deadline: 24h, checks: [{ http: 'https://[::1]:8443/a?b=c#d', status: [200, 503], timeout: 5min, name: web_1 }] }",
  "health: { checks: [{ command: [/bin/true] }, { command: [/bin/true, '$HOME; x', \"a\\nb\", ''] }, { tcp: '[fe80::1%eth0]:22' }] }",
  "recovery: { after: [5s, 24h] }",
  "kernel: { flavour: none, from: { oci: ./kernel.oci, tag: latest } }",
  "base: { suite: bookworm, mirror: 'http://deb.example/debian', components: [main, non-free-firmware] }".replace("base: ", "# "),
];
for (const text of accepted) test(`is accepted: ${text.slice(0, 60)}`, () => void parseRecipe(`${SMALLEST}${text}\n`, "r.yaml"));

test("sizes come out in bytes", () => {
  assert.deepEqual(parseRecipe(`${SMALLEST}disk: { slotSize: 2GiB, size: 8GiB }`, "r.yaml").disk, {
    slotSize: 2 * GiB,
    size: 8 * GiB,
  });
});

test("with a base that is no suite the init is the base's, unless the recipe names one; then units are judged by that", () => {
  const text = SMALLEST.replace("suite: trixie", "oci: x.oci");
  for (const units of ["ssh", "ssh.service"]) parseRecipe(`${text}units: { enable: [${units}] }\n`, "r.yaml");
  assert.throws(
    () => parseRecipe(`${text}init: systemd\nunits: { enable: [ssh] }\n`, "r.yaml"),
    /units\.enable\[0\]: must be the full name/,
  );
  parseRecipe(`${text}kernel: { from: { suite: sid } }\n`, "r.yaml");
});

/** What is appended to a good recipe, the message, and the hint where it matters. */
const refused: readonly (readonly [text: string, message: RegExp, hint?: RegExp])[] = [
  ["pakages: [a]", /^r\.yaml:4:1: pakages: is not a key of a recipe$/, /^Did you mean packages\?$/],
  ["kernel:\n  flavor: cloud", /^r\.yaml:5:3: kernel\.flavor: is not a key/, /kernel\.flavour\?$/],
  ["users: [{ name: a, keys: [] }]", /^r\.yaml:4:20: users\[0\]\.keys: /, /Keys here: name, uid, .*sshKeys/],
  ["__proto__: { a: 1 }", /^r\.yaml:4:1: __proto__: is not a key/],
  ["packages:", /^r\.yaml:4:10: packages: must be a list, found nothing$/, /\[\]/],
  ["packages: vim", /^r\.yaml:4:11: packages: must be a list, found "vim"$/],
  ["packages: [Vim]", /^r\.yaml:4:12: packages\[0\]: must be the name of a Debian package$/],
  ["packages: [vim-]", /packages\[0\]: must be the name/],
  ["version: 0.1", /^r\.yaml:4:10: version: must be text$/, /"0\.1"/],
  ["files: [{ source: a, target: /a, mode: 0644 }]", /files\[0\]\.mode: must be text$/, /"0644"/],
  ["files: [{ source: ../a, target: /a }]", /^r\.yaml:4:19: files\[0\]\.source: must be a path relative/],
  ["files: [{ source: a/../../b, target: /a }]", /files\[0\]\.source: /],
  ["files: [{ source: /a, target: /a }]", /files\[0\]\.source: /],
  ["files: [{ source: a, target: /a/../b }]", /files\[0\]\.target: must be an absolute path/],
  ["files: [{ source: a, target: /usr/local/bin/a }]", /lies in \/usr\/local, which is not part of the image/],
  ["files: [{ source: a }]", /^r\.yaml:4:9: files\[0\]\.target: is missing$/],
  ["kernel: { flavour: clod }", /must be cloud or full or none, found "clod"$/, /^Did you mean cloud\?$/],
  [
    "kernel: { from: { suite: sid } }",
    /^r\.yaml:4:17: kernel\.from: is there beside the kernel of the base's suite: say `flavour: none`/,
  ],
  ["kernel: { flavour: none, from: {} }", /kernel\.from: must have exactly one of suite, .* has none of them$/],
  ["kernel: { flavour: none, from: { oci: a, mirror: 'http://x/' } }", /kernel\.from\.mirror: is only for a base with suite$/],
  ["kernel: { cmdline: ['a b'] }", /must be one word/],
  ["kernel: { cmdline: ['a$b'] }", /must be one word/],
  ["kernel: { cmdline: ['root=/dev/sda'] }", /cannot be set: the root is found by its hash$/],
  ["kernel: { cmdline: [petrify.slot=a] }", /petrify\.\* is set by petrify$/],
  ["kernel: { cmdline: [panic=0] }", /a panic has to reboot/],
  ["kernel: { cmdline: ['--'] }", /petrify's own words come after/],
  ["units: { enable: [ssh] }", /must be the full name of a systemd unit/],
  ["units: { enable: ['a b.service'] }", /must be the full name of a systemd unit/],
  ["init: openrc\nunits: { enable: [fstrim.timer] }", /units\.enable\[0\]: is a unit of systemd: OpenRC has services only$/],
  ["init: openrc\nunits: { enable: ['getty@tty1'] }", /units\.enable\[0\]: must be the name of an OpenRC service, such as ssh$/],
  ["init: openrc\nunits: { mask: [ssh] }", /units\.mask: is for systemd: OpenRC has no masks/],
  ["init: openrc\nunits: { enable: [ssh.service], disable: [ssh] }", /units\.disable\[0\]: ssh is listed under enable too$/],
  ["init: sysvinit", /must be systemd or openrc, found "sysvinit"$/],
  ["persistent: [/etc/runlevels/default]", /lies in \/etc\/runlevels, which holds units/],
  ["units: { enable: [a.service], mask: [a.service] }", /units\.mask\[0\]: a\.service is listed under enable too$/],
  ["users: [{ name: a }, { name: a }]", /^r\.yaml:4:30: users\[1\]\.name: user a is there twice$/],
  ["users: [{ name: a, uid: 5 }, { name: b, uid: 5 }]", /users\[1\]\.uid: uid 5 is there twice$/],
  ["users: [{ name: root, uid: 5 }]", /root has uid 0/],
  ["users: [{ name: a, uid: 65534 }]", /uid: must be 1 … 60000$/],
  ["users: [{ name: a, password: secret }]", /password: must be a crypt hash .* never the password itself$/],
  ["users: [{ name: a, sshKeys: ['-----BEGIN OPENSSH PRIVATE KEY-----'] }]", /must be one line of an OpenSSH public key file/],
  ["hostname: A_b", /hostname: must be a host name/],
  ["persistent: [/etc]", /persistent\[0\]: cannot be persistent: \/etc contains \/etc\/passwd, which is made at each boot/],
  ["persistent: [/etc/shadow]", /\/etc\/shadow is made at each boot/],
  ["persistent: [/etc/systemd/system/x.d]", /lies in \/etc\/systemd\/system, which holds units/],
  ["persistent: [/]", /\/ contains /],
  ["persistent: [/usr/share]", /lies in \/usr, which is part of the image/],
  ["persistent: [/home/me]", /lies in \/home, which is persistent in every image$/],
  ["persistent: [/var]", /\/var contains /],
  ["persistent: [/var/lib/a, /var/lib/a/b]", /^r\.yaml:4:26: persistent\[1\]: lies in \/var\/lib\/a, which is listed too$/],
  ["persistent: [var]", /must be an absolute path/],
  ["health: { deadline: 5m }", /^r\.yaml:4:21: health\.deadline: must be a whole number and a unit: 30s, 5min, 1h$/],
  ["health: { deadline: 4s }", /health\.deadline: must be 5s … 24h$/],
  ["health: { deadline: 1441min }", /health\.deadline: must be 5s … 24h$/],
  ["health: { onFailure: restart }", /must be alarm or reboot, found "restart"$/],
  ["health: { failedUnits: no }", /health\.failedUnits: must be true or false, found "no"$/],
  ["health: { check: [] }", /health\.check: is not a key of a recipe$/, /^Did you mean health\.checks\?$/],
  ["health: { checks: [{}] }", /health\.checks\[0\]: must have exactly one of unit, http, tcp, command; has none of them$/],
  ["health: { checks: [{ name: a }] }", /must have exactly one of .* has none of them$/],
  ["health: { checks: [{ unit: a.service, tcp: 'a:1' }] }", /^r\.yaml:4:20: .* has unit and tcp$/],
  ["health: { checks: [{ unti: a.service }] }", /checks\[0\]\.unti: is not a key/, /^Did you mean health\.checks\[0\]\.unit\?$/],
  ["health: { checks: [{ unit: ssh }] }", /checks\[0\]\.unit: must be the full name of a systemd unit/],
  ["health: { checks: [{ http: 'ftp://x/' }] }", /checks\[0\]\.http: must be an http or https URL$/],
  ["health: { checks: [{ http: '127.0.0.1:80/x' }] }", /checks\[0\]\.http: must be an http or https URL$/],
  ["health: { checks: [{ http: 'http:/x' }] }", /checks\[0\]\.http: must be an http or https URL$/],
  ["health: { checks: [{ http: 'http://a b/' }] }", /checks\[0\]\.http: must be an http or https URL$/],
  ["health: { checks: [{ http: 'https://me:pw@x/' }] }", /checks\[0\]\.http: must not hold a user name or password$/],
  ["health: { checks: [{ http: 'https://token@x/' }] }", /checks\[0\]\.http: must not hold a user name or password$/],
  ["health: { checks: [{ http: 'http://x/', status: [] }] }", /checks\[0\]\.status: must name at least one status$/],
  ["health: { checks: [{ http: 'http://x/', status: [99] }] }", /checks\[0\]\.status\[0\]: must be 100 … 599$/],
  ["health: { checks: [{ tcp: 'x:1', status: [200] }] }", /checks\[0\]\.status: is only for a check with http$/],
  ["health: { checks: [{ tcp: localhost }] }", /checks\[0\]\.tcp: must be host:port, such as/],
  ["health: { checks: [{ tcp: '::1:22' }] }", /checks\[0\]\.tcp: must be host:port/],
  ["health: { checks: [{ tcp: 'a:0' }] }", /checks\[0\]\.tcp: must be host:port/],
  ["health: { checks: [{ tcp: 'a:65536' }] }", /checks\[0\]\.tcp: must be host:port/],
  ["health: { checks: [{ command: /bin/true }] }", /checks\[0\]\.command: must be a list, found "\/bin\/true"$/],
  ["health: { checks: [{ command: [] }] }", /checks\[0\]\.command\[0\]: is missing$/],
  ["health: { checks: [{ command: [true] }] }", /checks\[0\]\.command\[0\]: must be text, found true$/],
  ["health: { checks: [{ command: [sh, -c, 'a'] }] }", /checks\[0\]\.command\[0\]: must be an absolute path/],
  ["health: { checks: [{ command: [/x, 5] }] }", /checks\[0\]\.command\[1\]: must be text$/, /"5"/],
  ['health: { checks: [{ command: [/x, "a\\0b"] }] }', /checks\[0\]\.command\[1\]: must be one argument/],
  ["health: { checks: [{ unit: a.service, timeout: 6min }] }", /checks\[0\]\.timeout: must be 1s … 5min$/],
  ["health: { checks: [{ unit: a.service, name: 'a b' }] }", /checks\[0\]\.name: must be letters/],
  ["health: { checks: [{ unit: a.service, name: mounts }] }", /checks\[0\]\.name: mounts is a check of every image$/],
  [
    "health: { checks: [{ unit: a.service }, { unit: a.service }] }",
    /^r\.yaml:4:41: health\.checks\[1\]: check a\.service is there twice: give one of them another name$/,
  ],
  [
    "health: { checks: [{ tcp: 'a:1', name: b.service }, { unit: b.service }] }",
    /health\.checks\[1\]: check b\.service is there twice/,
  ],
  ["health: { checks: [{ tcp: 'a:1', name: x }, { tcp: 'a:2', name: x }] }", /health\.checks\[1\]\.name: check x is there twice/],
  ["disk: { slotSize: 4G }", /disk\.slotSize: must be a whole number and a unit/],
  ["disk: { slotSize: 4GiB, size: 7GiB }", /disk\.size: is smaller than the two slots$/],
  ["a: [", /^r\.yaml:5:1: not YAML: Flow sequence/],
  ["a: *b", /Unresolved alias/],
  ["a: !t b", /not YAML: Unresolved tag: !t$/],
  ["? [a]\n: b", /not YAML: With stringKeys/],
  ["name: y", /^r\.yaml:4:1: not YAML: Map keys must be unique$/],
  ["---\na: 1", /^r\.yaml:4:1: a second document starts here$/],
];
for (const [base, text, message] of [
  ["oci: x", "packages: [vim]", /^r\.yaml:4:11: packages: needs a base with suite: one with oci comes as a whole$/],
  [
    "rootfs: x",
    "firmware: { packages: [firmware-realtek] }",
    /^r\.yaml:4:23: firmware\.packages: needs a base with suite: one with rootfs/,
  ],
  [
    "dockerfile: x",
    "firmware: { microcode: [intel] }",
    /firmware\.microcode: needs a base with suite: one with dockerfile comes as a whole$/,
  ],
  ["oci: x, rootfs: y", "packages: [vim]", /base: must have exactly one of/],
] as const) {
  test(`with a base of ${base}, ${text} is refused`, () => {
    assert.match(failure(`${SMALLEST.replace("suite: trixie", base)}${text}\n`).message, message);
  });
}

for (const [text, message, hint] of refused) {
  test(`is refused: ${text.replaceAll("\n", " ⏎ ")}`, () => {
    const error = failure(`${SMALLEST}${text}\n`);
    assert.match(error.message, message);
    assert.match(error.hint ?? "", hint ?? /./);
  });
}

test("a base says what is wrong with its mirror and suite", () => {
  const base = (text: string): string => failure(`apiVersion: petrify/v1\nname: x\nbase: ${text}\n`).message;
  assert.match(base("{ suite: 'a b' }"), /base\.suite: must be the name of a suite/);
  assert.match(base("{ suite: sid, mirror: 'ftp://x/' }"), /base\.mirror: must be an http, https or file URL/);
  assert.match(base("{ suite: sid, mirror: 'http://x/ [trusted=yes]' }"), /base\.mirror: /);
  assert.match(base("{ suite: sid, components: [] }"), /must name at least one component/);
});

test("every problem is listed in the order of the file, ten at most", () => {
  assert.match(
    failure("name: X\n").message,
    /^r\.yaml:1:1: apiVersion: is missing\nr\.yaml:1:1: base: is missing\nr\.yaml:1:7: name: /,
  );
  const lines = failure(`${SMALLEST}packages: [${"A, ".repeat(14)}]`).message.split("\n");
  assert.equal(lines.length, 11);
  assert.equal(lines.at(-1), "… and 4 more");
});

test("what is no mapping at all is refused", () => {
  for (const text of ["", "# only a comment\n", "~"]) assert.match(failure(text).message, /the recipe is empty$/);
  for (const text of ["[1]", "7", "text"]) assert.match(failure(text).message, /\(top level\): must be a mapping/);
  assert.match(failure(" ".repeat(1024 * 1024 + 1)).message, /more than 1 MiB/);
});

test("nesting and aliases that grow without end are refused", () => {
  failure("[".repeat(50_000));
  for (const text of ["&a [*a]", `${SMALLEST}files: &a [*a]`, `${SMALLEST}users: &a { x: *a }`]) failure(text);
  failure(`a: &a [x]\n${Array.from({ length: 30 }, (_, i) => `k${i}: &k${i} [${"*a, ".repeat(9)}]`).join("\n")}`);
});

test("any text gives a recipe or RECIPE_INVALID", () => {
  const words = fc.constantFrom("apiVersion", "petrify/v1", "name", "base", "suite", "files", "users", ": ", "\n", "  ", "- ");
  const marks = fc.constantFrom("[", "]", "{", "}", "&a", "*a", "!x", "'", '"', "|", ">", "#", "? ", "%", "~", "<<", "__proto__");
  const mix = fc.array(fc.oneof(words, marks, fc.string({ unit: "binary", maxLength: 4 })), { maxLength: 40 });
  const attempt = (text: string): void => {
    try {
      parseRecipe(text, "r.yaml");
    } catch (error) {
      assert.ok(error instanceof AppError && error.code === "RECIPE_INVALID", String((error as Error).stack));
    }
  };
  fc.assert(
    fc.property(mix, (parts) => attempt(parts.join(""))),
    { numRuns: 1500 },
  );
  fc.assert(
    fc.property(mix, (parts) => attempt(SMALLEST + parts.join(""))),
    { numRuns: 1500 },
  );
  fc.assert(
    fc.property(fc.jsonValue(), (value) => attempt(`${SMALLEST}users: ${JSON.stringify(value)}`)),
    { numRuns: 500 },
  );
  const keys = fc.constantFrom("unit", "http", "status", "tcp", "command", "name", "timeout");
  const checks = fc.array(fc.dictionary(keys, fc.oneof(fc.constantFrom("a.service", "http://x/", "a:1", "5s"), fc.jsonValue())));
  fc.assert(
    fc.property(checks, (value) => attempt(`${SMALLEST}health: { checks: ${JSON.stringify(value)} }`)),
    { numRuns: 500 },
  );
});
