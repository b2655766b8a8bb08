import assert from "node:assert/strict";
import { effectiveConfig, type EffectiveConfig } from "../../src/config/machine/merge.ts";
import { parseDocument } from "../../src/config/machine/parse.ts";
import { problemText } from "../../src/config/machine/problems.ts";
import { renderYaml } from "../../src/config/machine/render.ts";
import { gunzip } from "../../src/host/gunzip.ts";

/** In every secret of the documents: nothing that is told may hold it. */
const SECRET = "hunter2";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKn9cO2yPpVtl1hW0cVb2v6vC1w0Yh7kLGm5nB1yQXcA me";
const SOUND = [
  `#cloud-config
hostname: edge
users:
  - default
  - name: ops
    groups: "adm, sudo"
    passwd: $6$${SECRET}${SECRET}
    ssh-authorized-keys: ["${KEY}"]
    expiredate: "2032-09-01"
groups: [a, { b: [ops] }]
write_files:
  - path: /etc/a
    content: |
      ${SECRET}
    permissions: "0600"
  - { path: /etc/b, content: H4sIAAAAAAACA8vIBACsKpPYAgAAAA==, encoding: gz+b64 }
runcmd: [ls, [sleep, 5], ~]
ntp: ~
`,
  `#cloud-config
network: { version: 2, wifis: { wlan0: { access-points: { x: { password: ${SECRET}${SECRET} } } } } }
environment: &env { TOKEN: ${SECRET} }
containers:
  - { name: a, image: registry.example/a, environment: *env, ports: ["80:80"] }
units: [{ name: a.service, enable: true, drop_ins: [{ name: a.conf, content: x }] }]
health: { deadline: 5min, checks: [{ tcp: "a:1" }] }
kernel: { args: [quiet] }
mounts: [[LABEL=x, /srv/x]]
`,
  `#cloud-config
proxy: { http: "http://u:${SECRET}@proxy.example" }
stages:
  boot.before:
    - name: x
      if: test -e /a
      commands: [a, [b, 1]]
      users: { bob: { passwd: $6$${SECRET}${SECRET} } }
      ensure_entities: [{ entity: "kind: shadow\\nusername: a\\npassword: ${SECRET}\\n" }]
      downloads: [{ path: /etc/d, url: "https://x/${SECRET}" }]
    - { commands: ["true"], after: [x] }
config_url: { url: "https://x", headers: { A: ${SECRET} } }
`,
];
const PIECES = [
  ...[
    "- ",
    ": ",
    "\n",
    "\t",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "? ",
    "| ",
    ">-\n",
    "#",
    "'",
    '"',
    "!!binary ",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "<<: ",
  ],
  ...[
    "~",
    "null",
    "true",
    "yes",
    "0644",
    "0o644",
    ".inf",
    ".nan",
    "1e999",
    "-1",
    "__proto__",
    "constructor",
    "toString",
    "\uFEFF",
    "\u2028",
    "\0",
    "\x7f",
    "é",
    "\ud800",
  ],
  ...["users:", "write_files:", "  - name: a\n", "packages: [a]\n", "network:\n  version: 1\n", "stages:\n  boot:\n", SECRET],
];

export interface ConfigFuzz {
  readonly tried: number;
  /** Without a single problem. */
  readonly sound: number;
  /** A part of it was used. */
  readonly partly: number;
  /** Nothing of it was. */
  readonly refused: number;
  /** Milliseconds of the slowest. */
  readonly slowest: number;
}

/** A generator of the same numbers for the same seed (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/**
 * Damages documents, merges what is left of several, and holds that nothing throws, that no secret is told, and that what comes out is a sound
 * config that renders as itself.
 */
export function fuzzConfigs(seed: number, isOver: (tried: number) => boolean, now: () => number): ConfigFuzz {
  const below = numbers(seed);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const total = { tried: 0, sound: 0, partly: 0, refused: 0, slowest: 0 };
  while (!isOver(total.tried)) {
    const texts = Array.from({ length: 1 + below(2) }, () => damaged(pick(SOUND), below, pick));
    const since = now();
    const documents = texts.map((text, index) => parseDocument(below(8) === 0 ? bytesOf(text, below) : text, `f${index}.yaml`));
    const effective = effectiveConfig(documents, gunzip);
    total.slowest = Math.max(total.slowest, now() - since);
    for (const { problems, tree } of documents) {
      total.tried++;
      if (problems.length === 0) total.sound++;
      else if (tree.entries.size > 0) total.partly++;
      else total.refused++;
    }
    judge(
      texts,
      [...documents, effective].flatMap(({ problems }) => problems).map((problem) => problemText(problem) + (problem.hint ?? "")),
      effective,
    );
  }
  return total;
}

function judge(texts: readonly string[], told: readonly string[], effective: EffectiveConfig): void {
  const about = (): string => JSON.stringify(texts);
  const leak = told.find((text) => text.includes(SECRET));
  assert.equal(leak, undefined, `${leak} ← ${about()}`);
  const yaml = renderYaml(effective.tree, { showSecrets: true });
  const again = parseDocument(yaml, "again");
  assert.deepEqual(again.problems.map(problemText), [], about());
  assert.deepEqual(effectiveConfig([again], gunzip).config, effective.config, about());
  assert.equal(Object.getPrototypeOf(effective.config.environment), Object.prototype, about());
}

function damaged(text: string, below: (n: number) => number, pick: <T>(list: readonly T[]) => T): string {
  let now = text;
  for (let edits = below(4); edits > 0; edits--) {
    const at = "#cloud-config\n".length + below(Math.max(1, now.length - 14));
    const lines = now.split("\n");
    const line = 1 + below(Math.max(1, lines.length - 1));
    const ways = [
      () => now.slice(0, at) + pick(PIECES) + now.slice(at),
      () => now.slice(0, at) + now.slice(at + 1 + below(6)),
      () => now.slice(0, at) + String.fromCharCode(below(0x180)) + now.slice(at + 1),
      () => lines.toSpliced(line, 1).join("\n"),
      () => lines.toSpliced(line, 0, lines[1 + below(Math.max(1, lines.length - 1))] ?? "").join("\n"),
      () =>
        lines
          .with(Math.min(line, lines.length - 1), `${" ".repeat(below(6))}${lines[Math.min(line, lines.length - 1)]}`)
          .join("\n"),
      () => now.slice(0, at) + now.slice(14, 14 + below(80)) + now.slice(at),
    ];
    now = pick(ways)();
  }
  return now;
}

/** With a byte that is perhaps none of UTF-8. */
function bytesOf(text: string, below: (n: number) => number): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  bytes[below(bytes.length)] = below(256);
  return bytes;
}
