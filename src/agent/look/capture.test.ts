import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { makeFolder } from "../../host/files.ts";
import { scriptedRun } from "../../host/run.ts";
import { runLines } from "../../host/run-lines.ts";
import { startProgram, type StartedProgram } from "../../host/start-program.ts";
import type { CaptureResponseJson } from "../../protocol/petrify/v1/capture_pb.ts";
import { captureCall } from "./capture.ts";

const HEADER = String.raw`printf '\324\303\262\241\2\0\4\0\0\0\0\0\0\0\0\0\0\0\4\0\1\0\0\0'`;
/** Of two bytes. */
const PACKET = String.raw`printf "\1\0\0\0\2\0\0\0\2\0\0\0\2\0\0\0ab"`;
const LISTENS = "echo 'tcpdump: listening on eth0' >&2";
/** A signal is for all of the group: it ends what is waited for, too. */
const WAITS = "sleep 100";
const never = new AbortController().signal;

/** A machine with eth0, where this script is tcpdump. @param takenMs how long what was captured is kept */
async function machine(script: string, takenMs = 60_000) {
  const capture = captureCall(takenMs);
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-capture-"));
  await makeFolder(join(folder.path, "sys/class/net/eth0"));
  const logs: string[] = [];
  const programs: { argv: readonly string[]; program: StartedProgram }[] = [];
  const ports = {
    ...{ run: scriptedRun({}).run, runLines, root: folder.path, lsblk: "lsblk", now: () => 0 },
    startProgram: (argv: readonly [string, ...string[]], signal: AbortSignal, onError?: (line: string) => void) => {
      const program = startProgram(script === "" ? ["/nowhere/tcpdump"] : ["sh", "-c", script], signal, onError);
      programs.push({ argv, program });
      return program;
    },
    logCapture: async (about: object, caller?: string) => {
      logs.push(`begin ${(about as { interface: string }).interface} for ${caller}`);
      return await Promise.resolve({ [Symbol.asyncDispose]: async () => await Promise.resolve(void logs.push("end")) });
    },
  };
  return {
    ...{ logs, programs },
    ask: (body: object, signal = never) =>
      (capture(body, ports, signal, "alice") as AsyncIterable<CaptureResponseJson>)[Symbol.asyncIterator](),
    [Symbol.asyncDispose]: async () => await folder.remove(),
  };
}
type Answers = AsyncIterator<CaptureResponseJson>;
const rest = async (answers: Answers): Promise<CaptureResponseJson[]> =>
  await Array.fromAsync({ [Symbol.asyncIterator]: () => answers });
const bytesOf = (answers: readonly CaptureResponseJson[]): number =>
  Buffer.concat(answers.map(({ data = "" }) => Buffer.from(data, "base64"))).length;

suite("a capture", () => {
  test("is a file of whole packets, said in the audit log as long as it lasts; at its end it is known what was dropped", async () => {
    const script = `${LISTENS}; ${HEADER}; ${PACKET}; ${PACKET}; printf 1234; echo '3 packets dropped by kernel' >&2`;
    await using at = await machine(script);
    const found = await rest(at.ask({ interface: "eth0", filter: " icmp ", count: "2" }));
    assert.equal(bytesOf(found), 24 + 2 * 18);
    assert.deepEqual(found.at(-1), { packets: "2", dropped: "3" });
    assert.deepEqual(at.logs, ["begin eth0 for alice", "end"]);
    assert.deepEqual(at.programs[0]!.argv.slice(-3), ["-c2", "--", "not tcp port 50000 and (icmp)"]);
  });

  test("ends when its time is over, and says meanwhile what was dropped", async () => {
    // A shell that comes to it late hears both signals at once, and not in the order that they came in. What it waits for may miss one, just begun.
    const counts = "trap 'echo 1 packet dropped by kernel >&2; counted=1' USR1";
    const ends = "trap 'over=1' INT";
    const script = `${counts}; ${ends}; ${HEADER}; ${LISTENS}; until [ "$counted$over" = 11 ]; do sleep 0.1; done; ${PACKET}`;
    await using at = await machine(script);
    const found = await rest(at.ask({ interface: "any", duration: "2.5s" }));
    assert.deepEqual(found.at(-1), { packets: "1", dropped: "1" });
  });

  test("is not asked what was dropped before it listens: it would end of it", async () => {
    await using at = await machine(`trap 'exit 0' INT; ${HEADER}; while :; do sleep 0.1; done`);
    assert.deepEqual((await rest(at.ask({ interface: "eth0", duration: "2.2s" }))).at(-1), { packets: "0", dropped: "0" });
  });

  test("ends with whoever asks for it", async () => {
    await using at = await machine(`${HEADER}; ${WAITS}`);
    const stop = new AbortController();
    const answers = at.ask({ interface: "eth0" }, stop.signal);
    await answers.next();
    stop.abort(new Error("enough"));
    await assert.rejects(answers.next(), /enough/);
    await at.programs[0]!.program.ended;
    await wait(0);
    assert.deepEqual(at.logs, ["begin eth0 for alice", "end"]);
  });

  test("is one of two at a time, whatever becomes of those before", async () => {
    await using at = await machine(`${HEADER}; ${WAITS}`);
    await using broken = await machine("");
    for (let n = 0; n < 3; n++) await assert.rejects(broken.ask({ interface: "eth0" }).next(), { code: "TOOL_MISSING" });
    const both = [at.ask({ interface: "eth0" }), at.ask({ interface: "eth0" })];
    for (const one of both) await one.next();
    await assert.rejects(at.ask({ interface: "eth0" }).next(), { code: "CAPTURE_BUSY" });
    await both[0]!.return!();
    const third = at.ask({ interface: "eth0" });
    await third.next();
    await Promise.all([both[1]!.return!(), third.return!()]);
  });

  test("that nobody takes waits for its reader, and ends a while after its time all the same", async () => {
    await using at = await machine(`trap '' INT USR1; ${LISTENS}; ${HEADER}; while ${PACKET}; do :; done`, 500);
    const answers = at.ask({ interface: "eth0", duration: "1s" });
    await answers.next();
    await at.programs[0]!.program.ended;
    await wait(0);
    assert.deepEqual(at.logs, ["begin eth0 for alice", "end"], "also while nobody takes what is left");
    await assert.rejects(rest(answers), { code: "CAPTURE_FAILED", message: /not taken in time/ });
  });

  for (const [what, body, script, expected] of [
    ["without tcpdump", {}, "", { code: "TOOL_MISSING", hint: /package tcpdump/ }],
    [
      "with a filter that is none",
      { filter: "x" },
      'echo "tcpdump: can\'t parse filter expression: syntax error" >&2; exit 1',
      { code: "CAPTURE_FAILED", message: /eth0 cannot be captured: can't parse filter/, hint: /pcap-filter/ },
    ],
    ["of another interface", { interface: "eth1" }, "true", { code: "NO_SUCH_INTERFACE", hint: "It has any, eth0." }],
    ["of no interface", { interface: "-i" }, "true", { code: "REQUEST_INVALID" }],
    ["of a path", { interface: "../x" }, "true", { code: "REQUEST_INVALID" }],
    ["with a filter of two lines", { filter: "ip\nor arp" }, "true", { code: "REQUEST_INVALID" }],
    ["that lasts too long", { duration: "43201s" }, "true", { code: "REQUEST_INVALID" }],
    ["with more of a packet than there can be", { snaplen: 262_145 }, "true", { code: "REQUEST_INVALID" }],
  ] as const) {
    test(`${what} fails, and says why`, async () => {
      await using at = await machine(script);
      await assert.rejects(async () => await at.ask({ interface: "eth0", ...body }).next(), expected);
    });
  }
});
