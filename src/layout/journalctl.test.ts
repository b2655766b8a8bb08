import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { journalctlArguments, type JournalQuery } from "./journalctl.ts";

const ALWAYS = ["--all", "--no-pager", "--quiet", "--utc"];
const asked = (query: Partial<JournalQuery>): readonly string[] => {
  const [program, output, fields, ...rest] = journalctlArguments({ units: [], kernel: false, follow: false, ...query });
  assert.deepEqual([program, output], ["journalctl", "--output=json"]);
  assert.match(fields!, /^--output-fields=MESSAGE,PRIORITY,[A-Z_,]+$/);
  assert.deepEqual(rest.slice(0, 4), ALWAYS);
  return rest.slice(4);
};

suite("journalctl is asked for", () => {
  for (const [query, words] of [
    [{}, []],
    [{ units: ["ssh", "petrify-*"] }, ["--unit=ssh", "--unit=petrify-*"]],
    [{ boot: -1, kernel: true }, ["--boot=-1", "_TRANSPORT=kernel"]],
    [{ since: 1_763_844_136.5, until: 1_763_844_137 }, ["--since=@1763844136.500000", "--until=@1763844137.000000"]],
    [{ priority: 3, grep: "--vacuum-size=1" }, ["--priority=err", "--grep=--vacuum-size=1"]],
    [{ lines: 0 }, ["--lines=0"]],
    [{ follow: true }, ["--lines=all", "--follow", "--merge"]],
    [{ follow: true, lines: 10 }, ["--lines=10", "--follow", "--merge"]],
    [{ follow: true, after: "s=1;i=2" }, ["--lines=all", "--after-cursor=s=1;i=2", "--follow", "--merge"]],
    [{ follow: true, boot: 0 }, ["--boot=0", "--lines=all", "--follow"]],
  ] as const) {
    test(JSON.stringify(query), () => assert.deepEqual(asked(query), words));
  }
});
