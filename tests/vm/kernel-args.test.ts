import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConfigResult } from "../../src/agent/config/apply-config.ts";
import type { ConfigAnswers } from "../../src/agent/config/work.ts";
import { statusOf } from "./harness/agent.ts";
import { inTurn, oneOf } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";

const LIMIT_MS = 240_000;
/** Of three boots that do not come up, and one that does. */
const BOOTS_LIMIT_MS = 900_000;
const KEPT =
  '#cloud-config\nhostname: node-1\nkernel: { args: { append: [loglevel=6, "test.list=1,2-3:4/5@6%7!"], remove: [console=tty0] } }\n';
/** What is given back, and why. */
const WAYS = ["the machine does not come up", "it is not healthy"] as const;
/** So little memory that the kernel panics. */
const DEADLY = "#cloud-config\nhostname: node-2\nkernel: { args: [loglevel=6, mem=40M] }\n";
/** With these it starts, and is not healthy. */
const SICK = `#cloud-config
hostname: node-3
kernel: { args: [loglevel=5] }
health: { deadline: 40s, checks: [{ command: [/usr/bin/false], name: sick }] }
`;

test(
  "kernel arguments of a config are tried by the next boot and kept once that is healthy; those with which the machine does not come up, or is not healthy, are given back with their config",
  { skip: inTurn(0) },
  async () => {
    const made = await fixture();
    await using booted = await machine(made);
    const { guest, vm } = booted;
    const config = async <Value = ConfigResult>(words: string, text = ""): Promise<Value> => {
      const input = text === "" ? "" : `printf %s '${Buffer.from(text).toString("base64")}' | base64 -d | `;
      const { output } = await guest.run(`${input}petrify config ${words} --json`, LIMIT_MS);
      const { value } = JSON.parse(output.trim().split("\n").at(-1)!) as { value?: Value };
      assert.ok(value, `${words}: ${output}`);
      return value;
    };
    const words = async (): Promise<readonly string[]> => (await guest.check("cat /proc/cmdline")).split(" ");
    const hostname = async (): Promise<string> => await guest.check("cat /proc/sys/kernel/hostname");

    const restart = async (): Promise<void> => {
      void guest.run("systemctl reboot", 5_000).catch(() => {}); // it may end before it can answer
      await guest.ready(BOOTS_LIMIT_MS);
    };

    await guest.ready(LIMIT_MS);
    const { machine: before } = await statusOf(guest, ({ state, health }) => state === "proven" && health.is === "healthy");
    const plan = await config("plan -", KEPT);
    assert.match(plan.plan.reboot.join(), /new arguments, on trial/);
    const refused = await guest.run("echo 'kernel: { args: [init=/bin/sh] }' | sed '1i#cloud-config' | petrify config apply -");
    assert.notEqual(refused.status, 0);
    assert.match(refused.output, /kernel\.args.*the image's own init is started/s);
    const applied = await config("apply -", KEPT);
    assert.deepEqual([applied.changed, applied.generation, applied.problems], [true, 1, []]);
    assert.equal((await config("apply -", KEPT)).changed, false, "it waits already");
    const waiting = await statusOf(guest);
    assert.deepEqual([waiting.config?.kernelArgs?.is, waiting.machine.hostname], ["waits", before.hostname]);
    assert.equal(await hostname(), before.hostname, "nothing of it is laid before");

    await restart();
    const kept = await statusOf(guest, ({ config: now }) => now?.kernelArgs?.is === "kept");
    assert.deepEqual([kept.config?.generation, kept.config?.trial, await hostname()], [1, false, "node-1"]);
    const now = await words();
    for (const word of ["loglevel=6", "test.list=1,2-3:4/5@6%7!"]) assert.ok(now.includes(word), now.join(" "));
    assert.ok(now.includes("console=ttyS0") && !now.includes("console=tty0"), now.join(" "));

    const ways = oneOf(WAYS);
    for (const [tried, why] of ways.entries()) {
      const generation = tried + 2;
      if (why === "it is not healthy") {
        assert.equal((await config("apply -", SICK)).changed, true);
        await restart(); // the boot that tries it
        assert.ok((await words()).some((word) => word.startsWith("petrify.trial=")));
        assert.equal(await hostname(), "node-3");
        await guest.ready(BOOTS_LIMIT_MS);
        const healed = await statusOf(
          guest,
          ({ config: found, health }) => found?.refused?.generation === generation && health.is === "healthy",
        );
        assert.match(healed.config?.refused?.reason ?? "", /not healthy \d+ s after the kernel's start: sick/);
        assert.deepEqual([healed.config?.generation, await hostname()], [1, "node-1"]);
        assert.ok((await words()).includes("loglevel=6"));
      } else {
        assert.equal((await config("apply -", DEADLY)).changed, true);
        const since = vm.consoleText().length;
        await restart();
        const back = await statusOf(guest, ({ config: found }) => found?.refused?.generation === generation);
        const console = vm.consoleText().slice(since);
        assert.equal([...console.matchAll(/petrify: kernel arguments on trial/g)].length, 3);
        assert.deepEqual([back.running, back.state, back.slots.a.tries], ["a", "proven", 6]);
        assert.deepEqual([back.config?.generation, await hostname()], [1, "node-1"]);
        assert.deepEqual(await words(), now.map((word) => word.replace(/^petrify\.trial=.*/, "")).filter(Boolean));
        assert.match(back.config?.refused?.reason ?? "", /did not come up/);
      }
    }
    const { generations } = await config<ConfigAnswers["history"]>("history");
    const newest =
      ways.length === 2
        ? [
            [3, false, true],
            [2, false, false],
          ]
        : [[2, false, true]]; // only the last is told why
    assert.deepEqual(
      generations.map((one) => [one.generation, one.running, one.refused !== undefined]),
      [...newest, [1, true, false]],
    );
  },
);
