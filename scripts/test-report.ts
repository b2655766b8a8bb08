/** docs/test-report.md: what ran in full, when it last did, and what it said. */
import { relative } from "node:path";
import type { TestRecord } from "./test-reporter.ts";

export interface StageResult {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly records: readonly TestRecord[];
}
interface Circumstances {
  readonly date: Date;
  readonly commit: string;
  readonly node: string;
  readonly cores: number;
}

const HEAD = `# Test report

Written by \`npm run test:full\`; not edited by hand. What runs for hours may run in pieces (\`npm run test:full -- tests/vm/reset.test.ts\`), so each part says when it last ran, and on what.
The seconds of a virtual machine test have in them those in which it waited for a core.
`;

/** Whose tests are named one by one, file by file; of the others there are too many. */
export const isNamed = (stage: string): boolean => ["image", "vm", "crash"].includes(stage);

/**
 * A part that ran takes the place of what stood there about it; the rest stays, and parts that are no more go.
 *
 * @param before the report as it is; empty: there is none
 * @param top the folder that the files of the records are in
 * @param there the names of all parts that there are: stages, and files of tests as seen from `top`
 */
export function testReport(
  before: string,
  stages: readonly StageResult[],
  { date, commit, node, cores }: Circumstances,
  { top, there }: { readonly top: string; readonly there: readonly string[] },
): string {
  const on = `${date.toISOString().slice(0, 10)}, commit ${commit.slice(0, 12)}, Node ${node}, ${cores} cores`;
  const parts = new Map(
    before
      .split(/^## /m)
      .slice(1)
      .map((part) => [part.split("\n", 1)[0]!, part.trimEnd()] as const),
  );
  for (const { name, ok, seconds, records } of stages) {
    if (!isNamed(name)) {
      parts.set(name, `${name}\n\n${on}, ${seconds.toFixed(0)} s: ${ok ? "passed" : "FAILED"}; ${counts(records)}.`);
      continue;
    }
    for (const [file, its] of Map.groupBy(records, (record) => relative(top, record.file))) {
      const passed = its.every(({ outcome }) => outcome !== "fail");
      const head = `${file}\n\n${on}: ${passed ? "passed" : "FAILED"}; ${counts(its)}.\n\n| test | outcome | seconds |\n|---|---|---|`;
      parts.set(file, [head, ...its.map(row)].join("\n"));
    }
  }
  const kept = [...parts].filter(([name]) => there.includes(name)).toSorted(([a], [b]) => there.indexOf(a) - there.indexOf(b));
  const missing = there.filter((name) => !parts.has(name));
  return [
    HEAD,
    ...kept.map(([, part]) => `## ${part}\n`),
    ...(missing.length > 0 ? [`## Not run in full yet\n\n${missing.map((name) => `- ${name}`).join("\n")}\n`] : []),
  ].join("\n");
}

function counts(records: readonly TestRecord[]): string {
  const count = (outcome: TestRecord["outcome"]): number => records.filter((record) => record.outcome === outcome).length;
  return `${records.length} tests, ${count("fail")} failed, ${count("skip")} skipped`;
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
const row = ({ name, outcome, ms }: TestRecord): string => `| ${cell(name)} | ${outcome} | ${(ms / 1000).toFixed(1)} |`;
