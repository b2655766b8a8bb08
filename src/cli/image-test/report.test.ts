import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { CaseResult } from "./cases.ts";
import { junitXml, reportText, type TestReport } from "./report.ts";

const IMAGE = { name: "edge", version: "1.2.0", path: "/out/edge-1.2.0.img" };
const report = (...cases: CaseResult[]): TestReport => ({
  ...{ image: IMAGE, from: { ...IMAGE, version: "1.1.0" }, machine: { accelerator: "tcg", firmware: "bios" } },
  cases,
});
const PASSED: CaseResult = { name: "boot", seconds: 24.14, outcome: "passed", says: "slot a is healthy" };
const FAILED: CaseResult = {
  ...{ name: "upgrade", seconds: 61, outcome: "failed", code: "FELL_BACK", reason: 'web: "no" <answer> & more' },
  ...{ console: "one\ntwo\u001b[0m ]]>", log: { source: "journal", text: "petrifyd: slot b\n\tis not healthy" } },
};
const SKIPPED: CaseResult = { name: "fallback", seconds: 0, outcome: "skipped", reason: "upgrade has failed" };

test("people get a table, and what the failed case has left", () => {
  assert.equal(
    reportText(report(PASSED, FAILED, SKIPPED)),
    `case      result       time
boot      passed     24.1 s   slot a is healthy
upgrade   failed     61.0 s   web: "no" <answer> & more
fallback  skipped             upgrade has failed

upgrade: the failed boot's log, from journal:
  | petrifyd: slot b
  | 	is not healthy

upgrade: the console's last lines:
  | one
  | two\u001b[0m ]]>`,
  );
});

/** Elements as XML 1.0 has them, or an error where a text is not well-formed; knows no comments, no CDATA, no doctype. */
interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Element[];
  text: string;
}
function parsed(document: string): Element {
  const xml = document.replaceAll(/\r\n?/g, "\n");
  // oxlint-disable-next-line no-control-regex
  assert.doesNotMatch(xml, /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/);
  assert.ok(xml.isWellFormed() && xml.startsWith('<?xml version="1.0" encoding="UTF-8"?>\n'));
  const root: Element = { name: "", attributes: {}, children: [], text: "" };
  const open = [root];
  const plain = (text: string): string => {
    assert.doesNotMatch(text, /<|&(?!(?:amp|lt|gt|quot|apos|#\d+);)|]]>/);
    const names: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
    return text.replaceAll(/&(?:#(\d+)|(\w+));/g, (_, code: string, name: string) =>
      code ? String.fromCodePoint(Number(code)) : names[name]!,
    );
  };
  let at = xml.indexOf("\n");
  const token = /<(\/?)([a-z][a-z-]*)((?: [a-z]+="[^"<]*")*)(\/?)>/y;
  while (at < xml.length) {
    const next = xml.indexOf("<", at);
    open.at(-1)!.text += plain(xml.slice(at, next === -1 ? xml.length : next));
    if (next === -1) break;
    token.lastIndex = next;
    const [all, end, name, rest, empty] = token.exec(xml) ?? assert.fail(`no tag: ${xml.slice(next, next + 80)}`);
    at = next + all.length;
    if (end) assert.equal(open.pop()!.name, name);
    else {
      const pairs = [...rest!.matchAll(/ ([a-z]+)="([^"]*)"/g)].map(
        ([, key, value]) => [key!, plain(value!.replaceAll(/[\t\n]/g, " "))] as const,
      );
      assert.equal(new Set(pairs.map(([key]) => key)).size, pairs.length);
      const element: Element = { name: name!, attributes: Object.fromEntries(pairs), children: [], text: "" };
      open.at(-1)!.children.push(element);
      if (!empty) open.push(element);
    }
  }
  assert.equal(open.length, 1);
  assert.equal(root.children.length, 1);
  return root.children[0]!;
}

suite("the JUnit report", () => {
  test("has a suite with its totals, and a test case for each case", () => {
    const top = parsed(junitXml(report(PASSED, FAILED, SKIPPED)));
    assert.deepEqual([top.name, top.attributes["tests"], top.attributes["failures"]], ["testsuites", "3", "1"]);
    const [one] = top.children;
    const totals = { tests: "3", failures: "1", errors: "0", skipped: "1", time: "85.140" };
    assert.deepEqual(one!.attributes, { name: "edge 1.2.0", ...totals });
    const [properties, ...cases] = one!.children;
    assert.deepEqual(
      properties!.children.map(({ attributes }) => attributes["value"]),
      ["/out/edge-1.2.0.img", "edge 1.1.0", "tcg", "bios"],
    );
    assert.deepEqual(
      cases.map(({ attributes, children }) => [attributes["name"], attributes["classname"], children.map(({ name }) => name)]),
      [
        ["boot", "petrify.edge", ["system-out"]],
        ["upgrade", "petrify.edge", ["failure", "system-out"]],
        ["fallback", "petrify.edge", ["skipped"]],
      ],
    );
    const [failure, out] = cases[1]!.children;
    assert.deepEqual(failure!.attributes, { message: 'web: "no" <answer> & more', type: "FELL_BACK" });
    assert.match(failure!.text, /from journal:\npetrifyd: slot b\n\tis not healthy$/);
    assert.equal(out!.text, "one\ntwo\ufffd[0m ]]>");
  });

  test("is well-formed whatever a machine has said, and loses nothing that XML can say", () => {
    const said = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom("<", ">", "&", '"', "'", "]", "\n", "\t", "\0", "\ud800", "é") }),
    );
    fc.assert(
      fc.property(said, said, said, (reason, console, text) => {
        const top = parsed(junitXml(report({ ...FAILED, reason, console, log: { source: "journal", text } })));
        const [failure, out] = top.children[0]!.children[1]!.children;
        const kept = (value: string): string =>
          // oxlint-disable-next-line no-control-regex
          value.toWellFormed().replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd");
        assert.equal(failure!.attributes["message"], kept(reason));
        assert.equal(out!.text, kept(console));
        assert.ok(failure!.text.endsWith(`:\n${kept(text)}`));
      }),
    );
  });
});
