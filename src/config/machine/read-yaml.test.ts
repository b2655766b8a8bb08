import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { suite, test } from "node:test";
import { HEAD } from "../../../tests/support/machine-documents.ts";
import { gunzip } from "../../host/gunzip.ts";
import { MACHINE_CONFIG_LIMIT } from "../../layout/machine-config-place.ts";
import { effectiveConfig } from "./merge.ts";
import { parseDocument } from "./parse.ts";
import { problemText } from "./problems.ts";

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
