import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { dlopen } from "node:ffi";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { serviceNotifier } from "./sd-notify.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;

/** A service manager's end of the socket. @returns what has arrived since the last call, a message each */
function listen(address: string): () => string[] {
  const { functions } = dlopen("libc.so.6", {
    socket: { arguments: ["i32", "i32", "i32"], return: "i32" },
    bind: { arguments: ["i32", "buffer", "u32"], return: "i32" },
    recv: { arguments: ["i32", "buffer", "u64", "i32"], return: "i64" },
  });
  const socket = functions.socket(AF_UNIX, SOCK_DGRAM, 0);
  const name = Buffer.from(`\u0001\u0000${address.replace(/^@/, "\0")}`, "latin1");
  assert.equal(functions.bind(socket, name, name.length), 0);
  return () => {
    const messages: string[] = [];
    const buffer = Buffer.alloc(4096);
    for (;;) {
      const length = Number(functions.recv(socket, buffer, BigInt(buffer.length), MSG_DONTWAIT));
      if (length < 0) return messages;
      messages.push(buffer.toString("utf8", 0, length));
    }
  };
}

test("messages arrive as datagrams, at a path and in the abstract namespace", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-notify-"));
  for (const address of [join(folder.path, "notify"), `@petrify-test-${process.pid}`]) {
    const received = listen(address);
    const notify = serviceNotifier(address);
    notify("READY=1");
    notify("WATCHDOG=1\nSTATUS=x");
    assert.deepEqual(received(), ["READY=1", "WATCHDOG=1\nSTATUS=x"]);
  }
});

test("without a listener, or with an address that is none, nothing happens", () => {
  for (const address of [undefined, "", "relative", `/${"x".repeat(200)}`, "/nobody/listens/here"])
    serviceNotifier(address)("READY=1");
});
