/** Tests of documents of a machine config, as tables: what they come to, and what is told of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { effectiveConfig } from "../../src/config/machine/merge.ts";
import type { NodeConfig } from "../../src/config/machine/node-config.ts";
import { parseDocument } from "../../src/config/machine/parse.ts";
import { problemText } from "../../src/config/machine/problems.ts";
import { gunzip } from "../../src/host/gunzip.ts";

export const HEAD = "#cloud-config\n";
/** A crypt hash of a password. */
export const HASH = "$6$abcdefgh$7H/1LT4f9/N3wpgNunhsIqtMj62OKiS3nyNwuizouQc3u7MbYCarYeAHWYPYb2FT.lbioDm2RrkJPb9BZMN1O/";

/** A document without its first line, and what it comes to; it has to be sound. */
export function configOf(text: string): NodeConfig {
  const document = parseDocument(HEAD + text, "m.yaml");
  const effective = effectiveConfig([document], gunzip);
  assert.deepEqual([...document.problems, ...effective.problems].map(problemText), [], text);
  return effective.config;
}
export const problemsOf = (data: string | Uint8Array): string[] => parseDocument(data, "m.yaml").problems.map(problemText);

/** Keys with nothing in them are left out. */
export const notable = (config: NodeConfig): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(config).filter(([, value]) => typeof value !== "object" || Object.keys(value as object).length > 0),
  );

/** A test a row, without the first line: what it comes to, besides `drift: report` and no users. */
export function testConfigs(rows: readonly (readonly [text: string, expected: object])[]): void {
  for (const [text, expected] of rows) {
    test(text.slice(0, 90) || "nothing", () => {
      assert.deepEqual({ users: [], ...notable(configOf(text)) }, { users: [], drift: "report", ...expected });
    });
  }
}

/** A test a row, without the first line: what at least one problem of it says. */
export function testProblems(rows: readonly (readonly [text: string, message: RegExp])[]): void {
  for (const [text, message] of rows) {
    test(text.slice(0, 90), () => {
      const problems = problemsOf(HEAD + text);
      assert.ok(
        problems.some((problem) => message.test(problem)),
        problems.join("\n"),
      );
    });
  }
}
