/** What is asked for while an upgrade is under way, or waits for a restart. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { boot, states } from "../fake-boot.ts";
import type { FakeDisk } from "../fake-machine.ts";
import type { OperationNews } from "./driver.ts";
import { disk, file, IMAGES, NEW, NEWER, upgrade } from "./fake-upgrades.ts";

suite("an upgrade", () => {
  test("that is only staged waits for a restart, whoever restarts, and can be taken back", async () => {
    const on = disk();
    const news: OperationNews[] = [];
    const first = await boot(on, {
      ask: async (agent, signal) => void news.push(...(await upgrade(agent, signal, file("/new.img", { restart: false })))),
    });
    assert.deepEqual(first.machine.init.restarts, []);
    assert.deepEqual((news.at(-1) as { now: { at: string } }).now.at, "flipped");
    const other = structuredClone({ ...on, images: {} }) as FakeDisk;
    assert.equal((await boot(on)).slot, "b");
    assert.equal(on.state.operations[0]!.outcome, "succeeded");

    other.images = IMAGES;
    other.tries = { ...other.tries, next: "a" };
    const cancelled = await boot(other, { ask: async (agent) => await agent.operations.cancel() });
    assert.equal(cancelled.slot, "a", "asked for once");
    assert.equal(states(other), "a: proven aa, empty -");
    assert.equal(other.state.operations[0]!.outcome, "cancelled");
  });

  test("that is staged is replaced by the next one", async () => {
    const on = disk();
    await boot(on, {
      ask: async (agent, signal) => {
        await upgrade(agent, signal, file("/new.img", { restart: false }));
        await upgrade(agent, signal, file("/newer.img"));
      },
    });
    assert.deepEqual(
      on.state.operations.map(({ outcome }) => outcome),
      ["replaced"],
    );
    await boot(on);
    assert.equal(states(on), "b: proven aa, proven dd");
  });

  test("that is cancelled says nothing of the one that comes after it, which is written from its start", async () => {
    const on = disk();
    const url = (name: string) => file("", { source: { is: "url", url: `http://x/${name}.img` } });
    const { machine } = await boot(on, {
      prepare: ({ images: work }) => {
        const write = work.write;
        const slow: typeof write = async (job, told, signal) => {
          if (job.image.digest !== NEW.digest) return await write(job, told, signal);
          while (on.state.operation?.kind !== "upgrade" || on.state.operation.image.digest !== NEWER.digest)
            await new Promise((resolve) => setImmediate(resolve));
          told({ written: 60_000_000 }); // a line that was on its way
          throw signal.reason;
        };
        Object.assign(work, { write: slow });
      },
      ask: async (agent, signal) => {
        for await (const news of agent.operations.upgrade(url("new"), signal)) {
          if ("now" in news && news.now.at === "writing") break;
        }
        await agent.operations.cancel();
        await upgrade(agent, signal, url("newer"));
      },
    });
    assert.ok(machine.done.includes("write b from 0"), machine.done.join("; "));
    assert.equal(states(on), "b: proven aa, trial dd");
  });

  test("that is cancelled while it is made the active one is taken back all the same", async () => {
    const on = disk();
    await boot(on, {
      prepare: ({ record }) => {
        const change = record.change.bind(record);
        Object.assign(record, {
          change: async (...given: Parameters<typeof change>) => {
            for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
            return await change(...given);
          },
        });
      },
      ask: async (agent, signal) => {
        for await (const news of agent.operations.upgrade(file("/new.img"), signal)) {
          if ("now" in news && news.now.at === "flipping") break;
        }
        assert.equal((await agent.operations.cancel()).outcome, "cancelled");
      },
    });
    assert.equal(states(on), "a: proven aa, empty -");
  });

  test("that is staged is not forgotten for one of recovery, which has to wait", async () => {
    const on = disk();
    await boot(on, {
      ask: async (agent, signal) => {
        await upgrade(agent, signal, file("/new.img", { restart: false }));
        await assert.rejects(upgrade(agent, signal, file("/newer.img", { recovery: true })), { code: "OPERATION_RUNNING" });
      },
    });
    assert.equal(on.state.operation?.at, "flipped");
  });

  test("a second one is told which one runs and how far it is", async () => {
    const on = disk();
    await boot(on, {
      prepare: (machine) => {
        const { write } = machine.images;
        Object.assign(machine.images, {
          write: async (...given: Parameters<typeof write>) => {
            given[1]({ written: 32_000_000 });
            await new Promise<void>((_, reject) => given[2].addEventListener("abort", () => reject(given[2].reason as Error)));
          },
        });
      },
      ask: async (agent, signal) => {
        const stop = new AbortController();
        for await (const news of agent.operations.upgrade(file("/new.img"), stop.signal)) {
          if ("now" in news && news.now.percent === 50) break;
        }
        const refused = { code: "OPERATION_RUNNING", message: /upgrade to edge 2\.0: writing slot b, 50 %/ };
        await assert.rejects(upgrade(agent, signal, file("/newer.img")), refused);
        await assert.rejects(agent.operations.restart(undefined), refused);
        assert.equal((await agent.operations.cancel()).outcome, "cancelled");
      },
    });
    assert.equal(states(on), "a: proven aa, empty -");
  });
});
