import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { fromJson } from "@bufbuild/protobuf";
import type { RunLines } from "../../host/run-lines.ts";
import { EVENT_KINDS } from "../../layout/events.ts";
import { EventsResponseSchema, EventKindSchema, type EventsResponseJson } from "../../protocol/petrify/v1/event_pb.ts";
import { lookRoutes } from "./call.ts";
import { LOOK_CALLS } from "./calls.ts";
import { noCaptures } from "./testing.ts";

const { signal } = new AbortController();
const line = (fields: object): string =>
  JSON.stringify({ __CURSOR: "s=1;i=2;b=3", __REALTIME_TIMESTAMP: "1763844136000042", _BOOT_ID: "b00f", ...fields });

async function asked(request: object, ...said: readonly (readonly string[])[]) {
  const calls: string[][] = [];
  const runLines: RunLines = async function* (argv) {
    calls.push([...argv]);
    for (const chunk of said) yield await Promise.resolve(chunk);
  };
  const run = async (): Promise<never> => await Promise.reject(new Error("nothing else is run"));
  const routes = lookRoutes(LOOK_CALLS, { ...noCaptures, run, runLines, root: "/none", lsblk: "lsblk", now: () => 0 });
  const answers = routes["POST /look/EventService.Events"]!(signal, request) as AsyncIterable<EventsResponseJson>;
  return { calls, answers: await Array.fromAsync(answers) };
}

suite("events", () => {
  test("are told as they come, with what they are about; what is none is left out", async () => {
    const alarm = { MESSAGE: "no oem", PRIORITY: "3", PETRIFY_EVENT: "alarm-raised", PETRIFY_ALARM_CODE: "PARTITION_OEM" };
    const config = { MESSAGE: "config", PETRIFY_EVENT: "config-applied", PETRIFY_CONFIG_GENERATION: "12" };
    const { answers } = await asked({}, [line(alarm), "noise"], [line({ MESSAGE: "x" })], [line(config)]);
    const common = { time: "2025-11-22T20:42:16.000042Z", bootId: "b00f" };
    const kind = "EVENT_KIND_ALARM_RAISED";
    assert.deepEqual(answers, [
      {
        events: [{ ...common, kind, severity: "PRIORITY_ERROR", text: "no oem", alarm: { code: "PARTITION_OEM" } }],
        cursor: "s=1;i=2;b=3",
      },
      {
        events: [{ ...common, kind: "EVENT_KIND_CONFIG_APPLIED", text: "config", config: { generation: "12" } }],
        cursor: "s=1;i=2;b=3",
      },
    ]);
    const [event] = fromJson(EventsResponseSchema, answers[1]!).events;
    assert.deepEqual([event!.about.case, (event!.about.value as { generation?: number }).generation], ["config", 12]);
  });

  test("are asked for by kind, time and place; after a restart, too", async () => {
    const { calls } = await asked({ kinds: ["EVENT_KIND_ALARM_RAISED"], since: "2026-11-22T20:42:00Z", follow: true });
    const [argv] = calls;
    for (const word of ["--since=@1795380120.000000", "--follow", "--merge", "_UID=0", "PETRIFY_EVENT=alarm-raised"])
      assert.ok(argv!.includes(word), word);
    assert.ok(!argv!.includes("PETRIFY_EVENT=alarm-cleared"));
    const { calls: all } = await asked({ after: "s=1;i=2", last: 5 });
    for (const word of ["--after-cursor=s=1;i=2", "--lines=5", "+", "_PID=1"]) assert.ok(all[0]!.includes(word), word);
  });

  test("are of the kinds of the contract, and of no others", async () => {
    const names = EventKindSchema.values.map(({ name }) => name).filter((name) => name !== "EVENT_KIND_UNSPECIFIED");
    assert.deepEqual(
      EVENT_KINDS.map((kind) => `EVENT_KIND_${kind.toUpperCase().replaceAll("-", "_")}`).toSorted(),
      names.toSorted(),
    );
    for (const request of [{ kinds: ["EVENT_KIND_PARTY"] }, { after: "--root=/" }, { since: "yesterday" }, { lines: 1 }])
      await assert.rejects(asked(request), { code: "REQUEST_INVALID" });
  });
});
