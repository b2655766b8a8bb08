import assert from "node:assert/strict";
import { dlopen } from "node:ffi";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openEventLog } from "./event-log.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;

/** A journal that nobody looks after until it is asked for what has come. */
function journalAt(path: string): () => string[] {
  const { functions } = dlopen("libc.so.6", {
    socket: { arguments: ["i32", "i32", "i32"], return: "i32" },
    bind: { arguments: ["i32", "buffer", "u32"], return: "i32" },
    recv: { arguments: ["i32", "buffer", "u64", "i32"], return: "i64" },
  });
  const socket = functions.socket(AF_UNIX, SOCK_DGRAM, 0);
  const name = Buffer.from(`\u0001\u0000${path}`, "latin1");
  assert.equal(functions.bind(socket, name, name.length), 0);
  return () => {
    const buffer = Buffer.alloc(4096);
    const found: string[] = [];
    for (;;) {
      const length = Number(functions.recv(socket, buffer, BigInt(buffer.length), MSG_DONTWAIT));
      if (length < 0) return found;
      found.push(buffer.toString("utf8", 0, length));
    }
  };
}
const event = { kind: "alarm-raised", alarm: { code: "UNHEALTHY" } } as const;

suite("the log of a program", () => {
  test("has events as entries of their own, and every other line on standard error", async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-events-"));
    const received = journalAt(join(folder.path, "journal"));
    const written: string[] = [];
    const log = openEventLog("petrifyd", { write: (text) => void written.push(text), journal: join(folder.path, "journal") });
    log(3, "not healthy: web", event);
    log(6, "a line");
    assert.deepEqual(received(), [
      "MESSAGE=not healthy: web\nPRIORITY=3\nSYSLOG_IDENTIFIER=petrifyd\nPETRIFY_EVENT=alarm-raised\nPETRIFY_ALARM_CODE=UNHEALTHY\n",
    ]);
    assert.deepEqual(written, ["<6>a line\n"]);
  });

  test("says an event like any other line where the journal is not there, or takes nothing", async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-events-"));
    const written: string[] = [];
    const write = (text: string): void => void written.push(text);
    openEventLog("petrifyd", { write, journal: join(folder.path, "nobody") })(3, "x", event);
    assert.deepEqual(written, ["<3>x\n"]);
    journalAt(join(folder.path, "full"));
    const log = openEventLog("petrifyd", { write, journal: join(folder.path, "full") });
    // More than the kernel keeps for anybody: net.unix.max_dgram_qlen.
    for (let count = 0; count < 2000 && written.length === 1; count++) log(3, "y", event);
    assert.equal(written[1], "<3>y\n");
  });
});
