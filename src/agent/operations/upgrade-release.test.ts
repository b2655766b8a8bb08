import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { newKeyPair } from "../../../tests/support/signing.ts";
import { AppError } from "../../core/error.ts";
import { sha256 } from "../../host/sha256.ts";
import { addKey, firstKeys } from "../../release/change-keys.ts";
import { boot, states } from "../fake-boot.ts";
import type { FakeDisk } from "../fake-machine.ts";
import { historyText } from "../history-text.ts";
import { disk, NEW, RELEASE, request, upgrade } from "./fake-upgrades.ts";
import type { ReleaseJudgement } from "./ports.ts";
import type { UpgradeRequest } from "./service.ts";

suite("a release from a registry", () => {
  const [key, next] = [newKeyPair(), newKeyPair()];
  const trusted = firstKeys([key.publicKey], sha256);
  const rotated = addKey(trusted, next.publicKey, sha256);
  const asked = (more: Partial<UpgradeRequest> = {}): UpgradeRequest => request({ is: "registry", reference: RELEASE }, more);
  const from = (more: Partial<FakeDisk> = {}): FakeDisk =>
    disk({ trusted, release: () => ({ created: 1_700_000_500, signedBy: "k", keys: rotated }), ...more });

  test("is written by its digest, its keys are kept before it can boot, and what came is remembered", async () => {
    const on = from();
    const first = await boot(on, { ask: async (agent, signal) => await upgrade(agent, signal, asked()) });
    const steps = first.machine.done.filter((line) => /^(write|verify b|trust|record|tries)/.test(line));
    assert.deepEqual(steps.slice(-5), ["write b from 0", "verify b", "trust", "tries", "record"]);
    assert.equal(on.trusted!.epoch, 2);
    const { operation } = on.state;
    assert.deepEqual(operation?.kind === "upgrade" && operation.source, {
      is: "registry",
      reference: `${RELEASE}@sha256:cc`,
    });
    const second = await boot(on);
    const [entry] = second.agent.operations.history();
    assert.deepEqual(
      [entry!.outcome, entry!.way, entry!.downloaded],
      ["succeeded", "the whole image", { bytes: NEW.size, of: NEW.size }],
    );
    assert.match(historyText([entry!]), /by +the whole image\n +bytes +downloaded 64\.0 MB of 64\.0 MB/);
    assert.deepEqual(on.state.released?.b, { digest: "cc", created: 1_700_000_500 });
  });

  test("is judged by what runs, and when that release was made, by the keys, and by what somebody says", async () => {
    const judged: ReleaseJudgement[] = [];
    const on = from({
      release: (judgement) => {
        judged.push(judgement);
        return { created: 1_700_000_500 };
      },
    });
    on.state = { ...on.state, released: { a: { digest: "aa", created: 77 } } };
    await boot(on, {
      ask: async (agent, signal) => {
        const stop = new AbortController();
        await agent.operations.plan(asked({ told: ["older"] }), stop.signal);
        await upgrade(agent, signal, asked());
      },
    });
    assert.deepEqual(judged[0]!.running, { name: "test", version: "1.0", created: 77 });
    assert.deepEqual(
      [judged[0]!.told, judged[1]!.told, judged[0]!.trusted?.epoch, judged[0]!.clockIsSet],
      [["older"], [], 1, true],
    );
  });

  test("is the only thing that a machine with keys takes; recovery's own image is its own", async () => {
    const on = from();
    await boot(on, {
      ask: async (agent, signal) => {
        for (const source of [
          { is: "file", path: "/new.img" },
          { is: "url", url: "http://x/new.img" },
        ] as const) {
          await assert.rejects(upgrade(agent, signal, asked({ source })), { code: "RELEASE_UNSIGNED" });
          await assert.rejects(upgrade(agent, signal, asked({ source, recovery: true })), { code: "RELEASE_UNSIGNED" });
        }
      },
    });
    assert.equal(states(on), "a: proven aa, proven bb");
  });

  test("is not taken while nobody knows the keys, and says so", async () => {
    const on = from({ trustUnknown: true });
    await boot(on, {
      ask: async (agent, signal) => await assert.rejects(upgrade(agent, signal, asked()), { code: "TRUST_UNKNOWN" }),
    });
    assert.equal(states(on), "a: proven aa, proven bb");
  });

  test("whose keys cannot be kept does not become active", async () => {
    const on = from();
    await boot(on, {
      prepare: (machine) => {
        Object.assign(machine.trust, {
          keep: async () => await Promise.reject(new AppError("TRUST_NOT_STORED", "no space left on device")),
        });
      },
      ask: async (agent, signal) => await upgrade(agent, signal, asked()),
    });
    assert.equal(states(on), "a: proven aa, empty -");
    assert.match(on.state.operations.at(-1)!.reason!, /no space left/);
  });

  test("over a line that is down is tried again from where it was, and what came before counts", async () => {
    const on = from({ writeFails: [new AppError("REGISTRY_UNREACHABLE", "it is away"), undefined] });
    await boot(on, { ask: async (agent, signal) => await upgrade(agent, signal, asked()) });
    const second = await boot(on);
    const [entry] = second.agent.operations.history();
    assert.deepEqual([entry!.outcome, entry!.downloaded!.bytes], ["succeeded", NEW.size]);
  });

  test("with a cut at any change of the disk is only late, and never boots with keys that were not kept", async () => {
    for (let cut = 1; cut < 40; cut++) {
      const on = from();
      let asks = 0;
      for (let count = 0; count < 6; count++) {
        const done = on.state.operations.at(-1)?.outcome;
        if (done === "succeeded") break;
        const { slot } = await boot(on, {
          cutAfter: count === 0 ? cut : Infinity,
          ask: async (agent, signal) => {
            if (agent.status().operation || agent.operations.history().length > 0 || asks++ > 2) return;
            if (agent.status().running === "a") await upgrade(agent, signal, asked());
          },
        });
        if (slot === "b") assert.equal(on.trusted!.epoch, 2, `cut after ${cut}`);
      }
      assert.equal(states(on), "b: proven aa, proven cc", `cut after ${cut}`);
    }
  });
});
