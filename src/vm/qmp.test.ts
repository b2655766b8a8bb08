import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { connectQmp, type QmpEvent } from "./qmp.ts";

interface Request {
  readonly execute: string;
  readonly id: number;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

/** A QEMU that answers by a script; `say` writes to the client as it is, in any pieces. */
function qemu(answer: (request: Request, say: (message: object) => void) => void): {
  stream: Duplex;
  say: (text: string) => void;
} {
  const stream = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      for (const line of chunk.toString().trim().split("\n"))
        answer(JSON.parse(line) as Request, (message) => say(`${JSON.stringify(message)}\r\n`));
      done();
    },
  });
  const say = (text: string): void => void stream.push(text);
  say('{"QMP": {"version"');
  say(": {}}}\r\n");
  return { stream, say };
}

test("answers find their questions in any order", async () => {
  const held: (() => void)[] = [];
  const { stream } = qemu(({ execute, id }, say) => {
    if (execute === "slow") held.push(() => say({ id, return: "slow" }));
    else say({ id, return: execute });
  });
  const qmp = await connectQmp(stream);
  const slow = qmp.execute("slow");
  assert.equal(await qmp.execute("quick"), "quick");
  held[0]!();
  assert.equal(await slow, "slow");
});

test("a refusal names the command and QEMU's reason", async () => {
  const { stream } = qemu(({ execute, id }, say) =>
    say(execute === "qmp_capabilities" ? { id, return: {} } : { id, error: { class: "GenericError", desc: "no such device" } }),
  );
  const qmp = await connectQmp(stream);
  await assert.rejects(qmp.execute("eject"), { code: "QMP_FAILED", message: "QEMU refused eject: no such device" });
});

test("events are handed on", async () => {
  const events: QmpEvent[] = [];
  const { stream, say } = qemu(({ id }, answer) => answer({ id, return: {} }));
  const qmp = await connectQmp(stream, { onEvent: (event) => void events.push(event) });
  say('{"event": "SHUTDOWN", "data": {"reason": "guest-shutdown"}}\r\n');
  await qmp.execute("query-status");
  assert.deepEqual(events, [{ event: "SHUTDOWN", data: { reason: "guest-shutdown" } }]);
});

for (const error of [undefined, "no space"]) {
  test(`a job is waited for and dismissed; it ${error ? "fails with its error" : "succeeds"}`, async () => {
    const commands: string[] = [];
    const { stream } = qemu(({ execute, id, arguments: args }, say) => {
      commands.push(execute);
      say({ id, return: execute === "query-jobs" ? [{ id: "job1", ...(error ? { error } : {}) }] : {} });
      if (execute === "snapshot-save") say({ event: "JOB_STATUS_CHANGE", data: { id: args?.["job-id"], status: "concluded" } });
    });
    const qmp = await connectQmp(stream);
    const job = qmp.job("snapshot-save", { tag: "x" });
    if (error) await assert.rejects(job, { message: "QEMU's snapshot-save failed: no space" });
    else await job;
    assert.deepEqual(commands, ["qmp_capabilities", "snapshot-save", "query-jobs", "job-dismiss"]);
  });
}

test("questions without an answer fail when QEMU is gone", async () => {
  const { stream } = qemu(({ execute, id }, say) => {
    if (execute === "qmp_capabilities") say({ id, return: {} });
  });
  const qmp = await connectQmp(stream);
  const asked = qmp.execute("query-status");
  stream.destroy();
  await assert.rejects(asked, { code: "VM_ENDED" });
  await assert.rejects(qmp.execute("query-status"), { code: "VM_ENDED" });
});
