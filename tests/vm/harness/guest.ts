import assert from "node:assert/strict";
import type { Vm } from "../../../src/vm/vm.ts";
import type { Fixture } from "./fixture.ts";

/** Name of the port that the agent of the test image (recipe/files/agent) listens on. */
export const AGENT_PORT = "petrify.test";

export interface GuestResult {
  readonly status: number;
  /** stdout and stderr. */
  readonly output: string;
}
/** Commands in a running test image. */
export interface Guest {
  /** Waits for the agent to start: once for each boot. */
  ready(timeoutMs?: number): Promise<void>;
  /** Runs a script with the image's sh, as root; of a fixture with `node` the body of an async function, with `fs`, `child`, `run` and `wait`. */
  run(script: string, timeoutMs?: number): Promise<GuestResult>;
  /** Runs a script that must succeed. @returns its output, trimmed */
  check(script: string): Promise<string>;
  /** Restarts the guest in good order and waits for the agent of the next boot. */
  reboot(timeoutMs?: number): Promise<void>;
}

const READY_LIMIT_MS = 240_000;
const RUN_LIMIT_MS = 60_000;

/** @param vm started with the port {@link AGENT_PORT} */
export function guestOf(vm: Vm, init: Fixture["init"], node = false): Guest {
  const port = vm.port(AGENT_PORT);
  const running = new Map<string, (result: GuestResult) => void>();
  let boots = 0;
  let awaited = 0;
  let onReady: (() => void) | undefined;
  let next = 1;
  let rest = "";
  port.onText((text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === "ready") {
        boots++;
        onReady?.();
        continue;
      }
      const [id, status, output = ""] = line.split(" ");
      running.get(id!)?.({ status: Number(status), output: Buffer.from(output, "base64").toString() });
      running.delete(id!);
    }
  });
  const limited = async <T>(what: string, ms: number, promise: Promise<T>): Promise<T> => {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const fail = (why: string): void =>
      reject(new Error(`${what}: ${why}; console:\n${vm.consoleText().split("\n").slice(-40).join("\n")}`));
    const timer = setTimeout(() => fail(`not within ${ms / 1000} s`), ms);
    void vm.exited.then(({ reason }) => fail(`the VM ended (${reason})`));
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  };
  const send = async (script: string): Promise<GuestResult> => {
    const id = String(next++);
    const result = new Promise<GuestResult>((resolve) => running.set(id, resolve));
    port.send(`${id} ${Buffer.from(script).toString("base64")}\n`);
    return await result;
  };
  const guest: Guest = {
    ready: async (timeoutMs = READY_LIMIT_MS) => {
      awaited++;
      const ready = new Promise<void>((resolve) => {
        onReady = () => {
          if (boots >= awaited) resolve();
        };
        onReady();
      });
      await limited("the agent's start", timeoutMs, ready);
    },
    run: async (script, timeoutMs = RUN_LIMIT_MS) => {
      return await limited(script, timeoutMs, send(script));
    },
    check: async (script) => {
      const { status, output } = await guest.run(script);
      assert.equal(status, 0, `${script}: ${output}`);
      return output.trim();
    },
    reboot: async (timeoutMs) => {
      void send(node ? 'run("systemctl", "reboot")' : init === "systemd" ? "systemctl reboot" : "reboot"); // the agent may end before it can answer
      await guest.ready(timeoutMs);
    },
  };
  return guest;
}
