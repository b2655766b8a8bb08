/** The console of a machine always offers another owner to who has the recovery token, also where nobody can log in. docs/concepts/pki.md */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { hashRecoveryToken } from "../../src/host/recovery-token.ts";
import type { Vm } from "../../src/vm/vm.ts";
import { FULL, inTurn, oneOf } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine } from "./harness/machine.ts";

const LIMIT_MS = 600_000;
const TOKEN = "0AB1-CDEF-GHJK-MNPQ-RSTV-WXYZ";

/** Gets to where the token is asked for. */
const ASKED = {
  sealed: async (vm: Vm): Promise<void> => {
    await vm.waitForConsole("Press Enter to bring it another owner by its recovery token.", { timeoutMs: LIMIT_MS });
    vm.sendConsole("\r");
  },
  open: async (vm: Vm): Promise<void> => {
    await vm.waitForConsole(/Log in as petrify-enrol to bring this machine another owner by its recovery token\.[^]* login: /, {
      timeoutMs: LIMIT_MS,
    });
    vm.sendConsole("petrify-enrol\r");
  },
} as const;

/** As after an enrolment. */
async function own(guest: Guest): Promise<void> {
  const files = { "ca.pem": "-", recovery: `${await hashRecoveryToken(TOKEN, randomBytes(16))}\n` };
  await guest.check(`fs.mkdirSync("/oem/petrify/api", { recursive: true, mode: 0o700 });
    for (const [name, text] of Object.entries(${JSON.stringify(files)})) fs.writeFileSync("/oem/petrify/api/" + name, text, { mode: 0o600 });
    fs.rmSync("/oem/petrify/given-back", { force: true });`);
  // It tells of the token when it starts.
  await guest.check('if (run("systemctl", "restart", "petrifyd.service").status !== 0) throw new Error("petrifyd")');
}

const isOwned = async (guest: Guest): Promise<boolean> =>
  (await guest.check('return String(fs.existsSync("/oem/petrify/api/ca.pem"))')) === "true";

async function givesBack(vm: Vm, guest: Guest, profile: keyof typeof ASKED): Promise<void> {
  await ASKED[profile](vm);
  await vm.waitForConsole("Recovery token: ", { timeoutMs: LIMIT_MS });
  vm.sendConsole("wrong\r");
  await vm.waitForConsole(/that is not the recovery token of this machine's owner/, { timeoutMs: LIMIT_MS });
  assert.equal(await isOwned(guest), true);
  if (profile === "open") {
    await vm.waitForConsole("Press Enter.", { timeoutMs: LIMIT_MS });
    vm.sendConsole("\r");
  }
  await ASKED[profile](vm);
  await vm.waitForConsole("Recovery token: ", { timeoutMs: LIMIT_MS });
  vm.sendConsole(`${TOKEN}\r`);
  await vm.waitForConsole("This machine waits for an owner that has its recovery token.", { timeoutMs: LIMIT_MS });
  assert.equal(await isOwned(guest), false);
  assert.ok(!vm.consoleText().includes(TOKEN), "it is a secret");
}

for (const profile of oneOf(["sealed", "open"] as const)) {
  test(
    `on the console of ${profile === "open" ? "an open" : "a sealed"} machine${FULL ? ", and of its recovery," : ""} the recovery token gives it back, and nothing else does`,
    { skip: inTurn(1) },
    async () => {
      const made = await fixture({ node: true, ...(profile === "sealed" ? { profile } : {}) });
      await using booted = await machine(made);
      const { guest, vm } = booted;
      await guest.ready(LIMIT_MS);
      await own(guest);
      await givesBack(vm, guest, profile);
      if (!FULL) return;
      // It may be gone before it has answered.
      guest.run('run("/usr/bin/petrify", "reboot", "--into", "recovery")').catch(() => {});
      await guest.ready(LIMIT_MS);
      await own(guest);
      await givesBack(vm, guest, profile);
    },
  );
}
