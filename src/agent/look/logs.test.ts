import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CommandError } from "../../host/run.ts";
import type { RunLines } from "../../host/run-lines.ts";
import type { LogsResponseJson } from "../../protocol/petrify/v1/log_pb.ts";
import { lookRoutes } from "./call.ts";
import { LOOK_CALLS } from "./calls.ts";
import { noCaptures } from "./testing.ts";

const { signal } = new AbortController();
const CURSOR = "s=1;i=2;b=3";
const line = (message: string, fields: object = {}): string =>
  JSON.stringify({ __CURSOR: CURSOR, __REALTIME_TIMESTAMP: "1763844136000042", MESSAGE: message, ...fields });

/** @param said what journalctl writes, a chunk each; or how it fails */
async function asked(request: object, ...said: readonly (readonly string[] | Error)[]) {
  const calls: string[][] = [];
  const runLines: RunLines = async function* (argv) {
    calls.push([...argv]);
    for (const chunk of said) {
      if (chunk instanceof Error) throw chunk;
      yield await Promise.resolve(chunk);
    }
  };
  const run = async (): Promise<never> => await Promise.reject(new Error("nothing else is run"));
  const routes = lookRoutes(LOOK_CALLS, { run, runLines, root: "/none", lsblk: "lsblk", ...noCaptures, now: () => 0 });
  const answers = routes["POST /look/LogService.Logs"]!(signal, request) as AsyncIterable<LogsResponseJson>;
  return { calls, answers: await Array.fromAsync(answers) };
}
const failed = (exitCode: number, stderr: string): CommandError =>
  new CommandError(["journalctl"], "failed", { exitCode, stdout: "", stderr });
const notRun = (code: string): CommandError =>
  new CommandError(["journalctl"], "could not be run", undefined, Object.assign(new Error(code), { code }));

suite("logs", () => {
  test("are told as they come, as many as are there at a time", async () => {
    const first = [
      line("one", { PRIORITY: "3", _SYSTEMD_UNIT: "a.service", _PID: "7", SYSLOG_IDENTIFIER: "a" }),
      "noise",
      line("two"),
    ];
    const { calls, answers } = await asked(
      { units: ["a"], priority: "PRIORITY_ERROR", since: "2026-11-22T20:42:00.5Z" },
      first,
      ["-- x"],
      [line("three")],
    );
    assert.deepEqual(answers, [
      {
        entries: [
          {
            ...{ time: "2025-11-22T20:42:16.000042Z", priority: "PRIORITY_ERROR", unit: "a.service", identifier: "a", pid: 7 },
            message: "one",
          },
          { time: "2025-11-22T20:42:16.000042Z", message: "two" },
        ],
        cursor: CURSOR,
      },
      { entries: [{ time: "2025-11-22T20:42:16.000042Z", message: "three" }], cursor: CURSOR },
    ]);
    assert.ok(
      ["--unit=a", "--priority=err", "--since=@1795380120.500000"].every((word) => calls[0]!.includes(word)),
      calls.join(),
    );
  });

  for (const [name, error, message] of [
    [
      "a boot that the journal does not have",
      failed(1, "Data from the specified boot (-7) is not available\n"),
      /\(-7\) is not available/,
    ],
    ["an image without a journal", notRun("ENOENT"), /the image has no journal/],
    ["a machine with too many readers", notRun("EAGAIN"), /cannot start another reader/],
  ] as const) {
    test(`${name} is told of`, async () => await assert.rejects(asked({}, error), { code: "LOGS_UNAVAILABLE", message }));
  }

  test("nothing that matches is no failure", async () =>
    assert.deepEqual((await asked({ grep: "x" }, failed(1, ""))).answers, []));
});
