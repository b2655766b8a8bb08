/** What came of `petrify test`, for people and for programs that read JUnit's XML. */
import type { CaseResult } from "./cases.ts";

/** What was tested, and how. */
export interface TestReport {
  readonly image: { readonly name: string; readonly version: string; readonly path: string };
  readonly from: { readonly name: string; readonly version: string; readonly path: string };
  readonly machine: { readonly accelerator: string; readonly firmware: string };
  readonly cases: readonly CaseResult[];
}

const SHOWN_LINES = 30;

/** A table, and below it what a case that failed has left. */
export function reportText({ cases }: TestReport): string {
  const rows = cases.map((one) => {
    const seconds = one.outcome === "skipped" ? "" : `${one.seconds.toFixed(1)} s`;
    const says = one.outcome === "passed" ? one.says : one.reason;
    return `${one.name.padEnd(10)}${one.outcome.padEnd(9)}${seconds.padStart(8)}   ${says}`;
  });
  return ["case      result       time", ...rows, ...cases.flatMap(detailsOf)].join("\n");
}

function detailsOf(one: CaseResult): string[] {
  if (one.outcome !== "failed") return [];
  const { name, log, console } = one;
  const quoted = (text: string): string[] =>
    text
      .trimEnd()
      .split("\n")
      .slice(-SHOWN_LINES)
      .map((line) => `  | ${line}`);
  return [
    ...(log ? ["", `${name}: the failed boot's log, from ${log.source}:`, ...quoted(log.text)] : []),
    "",
    `${name}: the console's last lines:`,
    ...quoted(console),
  ];
}

/**
 * The report as most CI systems read it.
 *
 * Source: the JUnit schema of Jenkins' xUnit plugin (junit-10.xsd); XML 1.0, sections 2.2, 2.4 and 2.11.
 */
export function junitXml({ image, from, machine, cases }: TestReport): string {
  const count = (outcome: CaseResult["outcome"]): number => cases.filter((one) => one.outcome === outcome).length;
  const time = cases.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(3);
  const totals = { tests: cases.length, failures: count("failed"), errors: 0, skipped: count("skipped"), time };
  const properties = { image: image.path, from: `${from.name} ${from.version}`, ...machine };
  const suite = { name: `${image.name} ${image.version}`, ...totals };
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name: "petrify test", tests: totals.tests, failures: totals.failures, errors: 0, time })}>`,
    `  <testsuite${attributes(suite)}>`,
    "    <properties>",
    ...Object.entries(properties).map(([name, value]) => `      <property${attributes({ name, value })}/>`),
    "    </properties>",
    ...cases.map((one) => testcase(one, `petrify.${image.name}`)),
    "  </testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
}

function testcase(one: CaseResult, classname: string): string {
  const open = `    <testcase${attributes({ name: one.name, classname, time: one.seconds.toFixed(3) })}`;
  switch (one.outcome) {
    case "passed":
      return `${open}>\n      <system-out>${escaped(one.says)}</system-out>\n    </testcase>`;
    case "skipped":
      return `${open}>\n      <skipped${attributes({ message: one.reason })}/>\n    </testcase>`;
    case "failed": {
      const log = one.log ? `\n\nThe failed boot's log, from ${one.log.source}:\n${one.log.text}` : "";
      const failure = `<failure${attributes({ message: one.reason, type: one.code })}>${escaped(one.reason + log)}</failure>`;
      return `${open}>\n      ${failure}\n      <system-out>${escaped(one.console)}</system-out>\n    </testcase>`;
    }
  }
}

/** White space, too: a reader makes spaces of it otherwise (section 3.3.3). */
const attributes = (values: Readonly<Record<string, string | number>>): string =>
  Object.entries(values)
    .map(([name, value]) => ` ${name}="${escaped(String(value)).replaceAll(/[\t\n]/g, (c) => `&#${c.codePointAt(0)};`)}"`)
    .join("");

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
  "\r": "&#13;",
};

/** What XML has no way to say, a control character or half a surrogate pair, becomes U+FFFD. */
const escaped = (text: string): string =>
  text
    .toWellFormed()
    // oxlint-disable-next-line no-control-regex
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
    .replaceAll(/[&<>"'\r]/g, (c) => ENTITIES[c]!);
