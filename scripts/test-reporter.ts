import type { TestEvent } from "node:test/reporters";

/** One finished test. */
export interface TestRecord {
  readonly name: string;
  readonly file: string;
  readonly outcome: "pass" | "fail" | "skip" | "todo";
  readonly ms: number;
}

/** A reporter of node:test that writes each test, suites and files left out, as one JSON document a line. */
export default async function* records(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of source) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.details.type === "suite") continue;
    const skip = data.skip === undefined || data.skip === false ? undefined : "skip";
    const todo = data.todo === undefined || data.todo === false ? undefined : "todo";
    const outcome = skip ?? todo ?? (type === "test:pass" ? "pass" : "fail");
    const record: TestRecord = { name: data.name, file: data.file ?? "", outcome, ms: Math.round(data.details.duration_ms) };
    yield `${JSON.stringify(record)}\n`;
  }
}
