import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import type { ScrubEvent } from "../agent/scrubber.ts";
import { AGENT_SOCKET } from "../agent/status.ts";
import { serveLocally } from "../host/unix-http.ts";
import { runOnNode } from "./node-testing.ts";
import type { Ran } from "./testing.ts";

const DAMAGE = "block 7 of the root is not what it was";
/** @param answers what the agent says, by image */
async function scrubbed(args: readonly string[], answers: Readonly<Record<string, readonly ScrubEvent[]>>): Promise<Ran> {
  await using folder = await mkdtempDisposable("/dev/shm/petrify-scrub-"); // a socket's path is short
  const socket = join(folder.path, AGENT_SOCKET);
  await mkdir(dirname(socket), { recursive: true });
  const routes = Object.entries(answers).map(([image, events]) => [
    `POST /scrub${image === "all" ? "" : `/${image}`}`,
    async function* (): AsyncGenerator<object> {
      await Promise.resolve();
      yield* events;
    },
  ]);
  await using _ = await serveLocally(socket, Object.fromEntries(routes));
  return await runOnNode(folder.path, ["scrub", ...args]);
}

suite("petrify scrub", () => {
  test("verifies every image, and prints a line for each", async () => {
    const all: readonly ScrubEvent[] = [
      { image: "a", percent: 50 },
      { image: "a", result: {} },
      { image: "b", result: {} },
      { image: "recovery", result: {} },
    ];
    const { exitCode, out, err } = await scrubbed([], { all });
    assert.deepEqual([exitCode, out, err], [0, "slot a     whole\nslot b     whole\nrecovery   whole\n", "slot a: 50 %\n"]);
  });

  test("ends with 1 where an image is damaged, and says how; images that are named are verified in that order", async () => {
    const { exitCode, out } = await scrubbed(["recovery", "b", "--json"], {
      b: [{ image: "b", result: { damage: DAMAGE } }],
      recovery: [{ image: "recovery", result: {} }],
    });
    assert.equal(exitCode, 1);
    const { value } = JSON.parse(out.trim().split("\n").at(-1)!) as { readonly value: unknown };
    assert.deepEqual(value, { images: [{ image: "recovery" }, { image: "b", damage: DAMAGE }] });
    const text = await scrubbed(["b"], { b: [{ image: "b", result: { damage: DAMAGE } }] });
    assert.deepEqual([text.exitCode, text.out], [1, `slot b     DAMAGED: ${DAMAGE}\n`]);
  });

  test("of an empty slot finds nothing, and that is no damage", async () => {
    const { exitCode, out } = await scrubbed(["b"], { b: [] });
    assert.deepEqual([exitCode, out], [0, "There is nothing to verify.\n"]);
  });

  test("of what is no image is refused, with what there is", async () => {
    const { exitCode, err } = await scrubbed(["c"], {});
    assert.notEqual(exitCode, 0);
    assert.match(err, /a, b, recovery/);
  });
});
