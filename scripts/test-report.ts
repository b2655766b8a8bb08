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

/** docs/test-report.md: what ran, what it said, and how long it took. */
export function testReport(stages: readonly StageResult[], { date, commit, node, cores }: Circumstances): string {
  const total = stages.reduce((sum, { seconds }) => sum + seconds, 0);
  const rows = stages.map(({ name, ok, seconds, records }) => {
    const count = (outcome: TestRecord["outcome"]): number => records.filter((record) => record.outcome === outcome).length;
    return `| ${name} | ${ok ? "passed" : "FAILED"} | ${records.length} | ${count("fail")} | ${count("skip")} | ${seconds.toFixed(0)} |`;
  });
  const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const long = stages
    .filter(({ name }) => ["image", "vm", "crash"].includes(name))
    .flatMap(({ name, records }) => [
      `\n## ${name}\n\n| test | outcome | seconds |\n|---|---|---|`,
      ...records.map(
        (record) =>
          `| ${cell(record.name)} (${relative("tests", relative(process.cwd(), record.file))}) | ${record.outcome} | ${(record.ms / 1000).toFixed(1)} |`,
      ),
    ]);
  return [
    "# Test report",
    "",
    "Written by `npm run test:full`; not edited by hand. The seconds of a virtual machine test have in them those in which it waited for a core.",
    "",
    `${date.toISOString().slice(0, 10)}, commit ${commit.slice(0, 12)}, Node ${node}, ${cores} cores, ${(total / 60).toFixed(1)} minutes.`,
    "",
    "| stage | result | tests | failed | skipped | seconds |",
    "|---|---|---|---|---|---|",
    ...rows,
    ...long,
    "",
  ].join("\n");
}
