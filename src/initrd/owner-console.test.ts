import assert from "node:assert/strict";
import { test } from "node:test";
import { issueText } from "../agent/waiting-notice.ts";
import { ownerConsole } from "./owner-console.ts";

const KEY = "SHA256:6jrVGNkbPXuKQYVYwWXcVsUQmxJqqqzU0PSTcVJ5Y1s";

function shown(typed: string | null, notice?: string): { readonly said: string; readonly became: readonly string[] | undefined } {
  let said = "";
  let became: readonly string[] | undefined;
  const exec = (program: string, values: readonly string[]): never => {
    became = [program, ...values];
    return undefined as never;
  };
  const texts: Readonly<Record<string, string | undefined>> = {
    "/proc/sys/kernel/hostname": "node-7\n",
    "/run/issue.d/petrify.issue": notice,
  };
  ownerConsole(
    { exists: (path) => texts[path] !== undefined, readText: (path) => texts[path]!, exec },
    { say: (text) => (said += text), line: () => typed },
  );
  return { said, became };
}

test("whoever presses Enter is asked for the recovery token", () => {
  const { said, became } = shown("");
  assert.match(said, /^\nnode-7: nobody logs in here/);
  assert.deepEqual(became, ["/usr/bin/petrify", "petrify", "enrol", "--recovery-token"]);
});

test("a console that is hung up asks for nothing", () => assert.equal(shown(null).became, undefined));

test("a machine that waits for its owner shows its key, and nothing that only a login prompt can put in", () => {
  const { said } = shown("", issueText(KEY, false));
  assert.match(said, new RegExp(`apply-config --insecure ADDRESS\n[^]*${KEY}`));
  assert.doesNotMatch(said, /\\[46]/);
});
