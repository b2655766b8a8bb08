import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AppError } from "../../core/error.ts";
import { desk, type Look } from "../../../tests/support/desk.ts";
import { parseMoment } from "./moment.ts";

const entry = (message: string, fields: object = {}) => ({
  ...{ time: "2026-11-22T20:42:16.123Z", priority: "PRIORITY_INFORMATION", identifier: "sshd", pid: 712, message },
  ...fields,
});

const good: Look = async function* () {
  yield await Promise.resolve({ entries: [entry("one\ntwo")], cursor: "s=1" });
};
const bad: Look = async function* () {
  yield* await Promise.reject<object[]>(new AppError("LOGS_UNAVAILABLE", "the image has no journal"));
};

suite("petrify -n NODE events", () => {
  test("asks for what the options say, and prints a line for each event", async () => {
    let asked: unknown;
    const look: Look = async function* (_method, url, _signal, body) {
      asked = { url, body };
      const event = { time: "2026-11-22T20:42:16.123Z", kind: "EVENT_KIND_ALARM_RAISED", text: "no\u001b[31m oem\u0007" };
      yield await Promise.resolve({ events: [{ ...event, alarm: { code: "PARTITION_OEM" } }], cursor: "s=1" });
    };
    await using at = await desk({ "edge-7": look });
    const args = ["-n", "edge-7", "events"];
    const { out } = await at.petrify([...args, "--kind", "alarm-raised", "slot-proven", "--since", "2026-11-22"]);
    assert.deepEqual(asked, {
      url: "/look/EventService.Events",
      body: { kinds: ["EVENT_KIND_ALARM_RAISED", "EVENT_KIND_SLOT_PROVEN"], since: "2026-11-22T00:00:00Z" },
    });
    assert.equal(out, "2026-11-22T20:42:16.123Z alarm-raised: no oem?\n");
    const { out: json } = await at.petrify([...args, "--json"]);
    assert.deepEqual((asked as { body: unknown }).body, { last: 100 });
    const [event] = json.split("\n").map((line) => (line === "" ? {} : (JSON.parse(line) as Record<string, unknown>)));
    assert.deepEqual([event!["type"], event!["node"], event!["alarm"]], ["event", "edge-7", { code: "PARTITION_OEM" }]);
  });

  test("goes on where it was when a machine is there again", async () => {
    const asked: unknown[] = [];
    const look: Look = async function* (_method, _url, _signal, body) {
      asked.push(body);
      if (asked.length === 1) {
        yield { events: [{ kind: "EVENT_KIND_BOOT_STARTED", text: "slot a runs" }], cursor: "s=1;i=2" };
        throw new AppError("AGENT_UNREACHABLE", "it restarts");
      }
      yield await Promise.resolve({ events: [{ kind: "EVENT_KIND_SLOT_PROVEN", text: "slot a is healthy" }], cursor: "s=1;i=3" });
    };
    await using at = await desk({ "edge-7": look });
    const { out } = await at.petrify(["-n", "edge-7", "events", "--follow"]);
    assert.deepEqual(asked, [
      { last: 10, follow: true },
      { after: "s=1;i=2", follow: true },
    ]);
    assert.equal(out, "- boot-started: slot a runs\n- slot-proven: slot a is healthy\n");
  });
});

suite("petrify -n NODE logs", () => {
  test("asks for what the options say, and prints a line for each entry; nothing in it leads a terminal astray", async () => {
    let asked: unknown;
    const look: Look = async function* (_method, url, _signal, body) {
      asked = { url, body };
      yield await Promise.resolve({
        entries: [entry("Accepted"), entry("a\u001b[31mb\u0007\nsecond", { pid: null })],
        cursor: "s=1",
      });
    };
    await using at = await desk({ "edge-7": look });
    const { out, exitCode } = await at.petrify(["-n", "edge-7", "logs", "ssh", "-b", "previous", "-p", "err", "--grep", "x"]);
    assert.equal(exitCode, 0);
    assert.deepEqual(asked, {
      url: "/look/LogService.Logs",
      body: { units: ["ssh"], boot: -1, priority: "PRIORITY_ERROR", grep: "x" },
    });
    assert.equal(out, "2026-11-22T20:42:16.123Z sshd[712]: Accepted\n2026-11-22T20:42:16.123Z sshd: ab?\n    second\n");
    const { out: json } = await at.petrify(["-n", "edge-7", "logs", "--json"]);
    assert.deepEqual((asked as { body: unknown }).body, { lines: 100 });
    const lines = json
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual([lines[0]!["type"], lines[0]!["node"], lines[0]!["message"]], ["log", "edge-7", "Accepted"]);
    assert.deepEqual(lines.at(-1), { type: "result", value: { nodes: [{ node: "edge-7" }] } });
  });

  test("with several machines each line has its machine's name; one that fails decides the exit code", async () => {
    await using at = await desk({ good, bad });
    const { out, exitCode } = await at.petrify(["-n", "good,bad", "logs"]);
    assert.equal(exitCode, 1);
    assert.equal(out, "good | 2026-11-22T20:42:16.123Z sshd[712]: one\ngood |     two\nbad: the image has no journal\n");
  });

  test("goes on after the last entry when the machine was away", async () => {
    const asked: unknown[] = [];
    const look: Look = async function* (_method, _url, signal, body) {
      asked.push(body);
      yield await Promise.resolve({ entries: [entry(`number ${asked.length}`)], cursor: `s=${asked.length}` });
      if (asked.length === 1) throw new AppError("AGENT_UNREACHABLE", "it does not answer");
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    };
    await using at = await desk({ "edge-7": look });
    const stop = new AbortController();
    const onOut = (text: string): void => void (/number 2/.test(text) && stop.abort(new AppError("INTERRUPTED", "enough")));
    const { out, err } = await at.petrify(["-n", "edge-7", "logs", "-f", "--since", "2026-11-22T20:42:00Z"], {
      signal: stop.signal,
      onOut,
    });
    assert.match(out, /number 1\n.*number 2\n$/);
    assert.match(err, /^warning: edge-7: it does not answer; it is tried again\n/);
    assert.deepEqual(asked, [
      { since: "2026-11-22T20:42:00Z", follow: true },
      { after: "s=1", follow: true },
    ]);
  });

  test("more machines than can be followed at once are refused before anybody is asked", async () => {
    await using at = await desk({});
    const many = Array.from({ length: 65 }, (_, number) => `edge-${number}`).join(",");
    const { exitCode, err } = await at.petrify(["-n", many, "logs", "--follow"]);
    assert.equal(exitCode, 1);
    assert.match(err, /65 machines cannot be followed at once: at most 64/);
  });

  test("what cannot be meant is refused before anybody is asked", async () => {
    await using at = await desk({});
    for (const args of [
      ["-f", "--until", "1h"],
      ["-f", "-b", "previous"],
      ["-k", "ssh"],
      ["--since", "yesterday"],
      ["--boot", "1"],
      ["--lines", "-1"],
      ["-p", "loud"],
    ])
      assert.equal((await at.petrify(["-n", "edge-7", "logs", ...args])).exitCode, 2, args.join(" "));
  });
});

test("petrify -n NODE dmesg prints what the kernel says", async () => {
  const message = {
    number: "339",
    sinceStart: "5.140900s",
    priority: "PRIORITY_WARNING",
    facility: "kernel",
    message: "NET: up",
  };
  let asked: unknown;
  const look: Look = async function* (_method, _url, _signal, body) {
    asked = body;
    yield await Promise.resolve({ messages: [message] });
  };
  await using at = await desk({ "edge-7": look });
  assert.equal((await at.petrify(["-n", "edge-7", "dmesg", "-p", "warning"])).out, "[    5.140900] NET: up\n");
  assert.deepEqual(asked, { priority: "PRIORITY_WARNING" });
});

test("a moment is a time before now, or a date", () => {
  for (const [text, seconds] of [
    ["90s", 999_910],
    ["2h", 992_800],
    ["1w", 395_200],
    ["1970-01-02", 86_400],
    ["1970-01-02T00:00:01Z", 86_401],
    ["1970-01-02 01:00+01:00", 86_400],
  ] as const)
    assert.equal(parseMoment(text, 1_000_000), seconds, text);
  for (const text of ["", "1", "1y", "2026-13-01", "x2h", "2026-11-22T20"]) assert.throws(() => parseMoment(text, 0), text);
});
