import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { test } from "node:test";
import { MachineDocument } from "../document.ts";
import { DOCUMENT_KEYS } from "./document-keys.ts";
import { readSource, type SourceDocument } from "./source-document.ts";

const read = (text: string | Uint8Array): ReturnType<typeof readSource> =>
  readSource(typeof text === "string" ? new TextEncoder().encode(text) : text, "cidata/user-data");
const next = (lines: string): SourceDocument["next"] => (read(`#cloud-config\n${lines}`) as SourceDocument).next;

test("the keys are those of a machine config", () => {
  assert.deepEqual([...DOCUMENT_KEYS].toSorted(), Object.keys(MachineDocument.shape).toSorted());
});

test("a document is kept as it came, and tells the keys that it sets, unless they are none", () => {
  const text = "\uFEFF#cloud-config\r\nhostname: a\nhunter2: x\n";
  const found = read(text) as SourceDocument;
  assert.equal(found.text, text);
  assert.deepEqual(found.keys, ["hostname"]);
});

for (const empty of ["", "\n", " \t\r\n"]) {
  test(`${JSON.stringify(empty)} is no document, and no problem`, () => assert.equal(read(empty), undefined));
}

for (const [what, bytes, why] of [
  ["gzip", gzipSync("#cloud-config\n"), /compressed/],
  ["what is not UTF-8", Uint8Array.from([0x23, 0xff]), /is not UTF-8/],
  ["UTF-16", Buffer.from("\uFEFF#cloud-config\n", "utf16le"), /is UTF-16/],
  ["10 MB", Buffer.alloc(10 * 1000 ** 2, "#"), /more than 1024 KiB/],
  ["#include", "#include\nhttp://a/\n", /list of further documents.*config_url/],
  ["#include-once", "#include-once\nhttp://a/\n", /list of further documents/],
  ["a MIME message", 'Content-Type: multipart/mixed; boundary="x"\n', /MIME message/],
  ["a template", "## template: jinja\n#cloud-config\n", /template/],
  ["a script", "#!/bin/sh\n", /script.*runcmd/],
  ["an archive", "#cloud-config-archive\n- x\n", /archive/],
  ["no config", "hostname: a\n", /first line has to be #cloud-config/],
  ["a tab", "#cloud-config\na:\n\t- b\n", /tab/],
  ["what is there twice", "#cloud-config\na: hunter2\na: hunter3\n", /second time/],
  ["a list", "#cloud-config\n- hunter2\n", /must be a mapping/],
] as const) {
  test(`${what} is refused with its reason, and nothing of it is told`, () => {
    const found = read(bytes) as { problem: string };
    assert.match(found.problem, /^cidata\/user-data:\d+:\d+: /);
    assert.match(found.problem, why);
    assert.doesNotMatch(found.problem, /hunter/);
  });
}

const DIGITS = "ab".repeat(32);
for (const [lines, is] of [
  ["hostname: a", undefined],
  ["config_url: http://a/b", { url: "http://a/b" }],
  ["config_url: { url: http://a/b }", { url: "http://a/b" }],
  [`config_url: { url: "http://a/b", sha256: ${DIGITS} }`, { url: `http://a/b#sha256=${DIGITS}` }],
  ["config_url: { url: http://a/b, headers: { X-Token: t } }", { url: "http://a/b", headers: { "X-Token": "t" } }],
  ["config_url: { url: http://a/b, sha256: 1 }", undefined],
  ["config_url: { url: http://a/b, sha256: abc }", undefined],
  ['config_url: { url: http://a/b, headers: { "X: y": t } }', undefined],
  ['config_url: { url: http://a/b, headers: { X: "a\\nb" } }', undefined],
  ["config_url: { url: http://a/b, headers: [x] }", undefined],
  ["config_url: file:///etc/shadow", undefined],
  ["config_url: 5", undefined],
  ["config_url: [http://a/b]", undefined],
] as const) {
  test(`${lines.slice(0, 70)} leads ${is ? `to ${is.url.slice(0, 20)}` : "nowhere"}`, () => assert.deepEqual(next(lines), is));
}
