import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { HEAD, problemsOf } from "../../../tests/support/machine-documents.ts";
import { gunzip } from "../../host/gunzip.ts";
import { effectiveConfig } from "./merge.ts";
import { parseDocument } from "./parse.ts";
import { problemText } from "./problems.ts";

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
