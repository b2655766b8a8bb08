import { AppError } from "../core/error.ts";
import { AGENT_PORT, decodeReply, encodeLine, type ChannelReady, type ChannelReply } from "../layout/agent-channel.ts";
import type { Vm } from "./vm.ts";

/** The agent of a machine, asked through the port {@link AGENT_PORT}: nothing of the image is needed but the agent. */
export interface VmAgent {
  /**
   * Waits for the agent of the next boot that nobody has waited for yet.
   *
   * @throws AppError `VM_ENDED`; the signal's reason
   */
  readonly booted: (signal: AbortSignal) => Promise<ChannelReady>;
  /**
   * The values of a call's answer as they come: `GET /status`. Who stops reading cancels the call.
   *
   * @throws AppError what the agent reports; `AGENT_GONE` when it has ended before its answer, `VM_ENDED`; the signal's reason
   */
  readonly ask: (call: string, signal: AbortSignal, body?: object) => AsyncGenerator<unknown, void>;
}

interface Call {
  readonly replies: ChannelReply[];
  failed?: AppError;
  more: PromiseWithResolvers<void>;
}

/** @param vm started with the port {@link AGENT_PORT} */
export function agentOf(vm: Pick<Vm, "port" | "exited">): VmAgent {
  const port = vm.port(AGENT_PORT);
  const calls = new Map<number, Call>();
  const boots: ChannelReady[] = [];
  let lastBoot: string | undefined;
  let nextBoot = Promise.withResolvers<void>();
  let ended: AppError | undefined;
  let nextId = 0;

  const failAll = (error: AppError): void => {
    for (const call of calls.values()) {
      call.failed = error;
      call.more.resolve();
    }
    calls.clear();
  };
  const take = (reply: ChannelReply): void => {
    if ("ready" in reply) {
      failAll(new AppError("AGENT_GONE", "the agent has ended before it had answered"));
      if (reply.ready.boot === lastBoot) return;
      lastBoot = reply.ready.boot;
      boots.push(reply.ready);
      return nextBoot.resolve();
    }
    const call = reply.id === undefined ? undefined : calls.get(reply.id);
    call?.replies.push(reply);
    call?.more.resolve();
  };
  let rest = "";
  port.onText((text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const reply = decodeReply(line);
      if (reply) take(reply);
    }
  });
  void (async () => {
    const { reason } = await vm.exited;
    ended = new AppError("VM_ENDED", `the VM has ended (${reason})`);
    failAll(ended);
    nextBoot.resolve();
  })();

  return {
    booted: async (signal) => {
      for (;;) {
        signal.throwIfAborted();
        const boot = boots.shift();
        if (boot) return boot;
        if (ended) throw ended;
        nextBoot = Promise.withResolvers();
        await orAborted(nextBoot.promise, signal);
      }
    },
    ask: async function* (what, signal, body) {
      signal.throwIfAborted();
      if (ended) throw ended;
      const id = nextId++;
      const call: Call = { replies: [], more: Promise.withResolvers() };
      calls.set(id, call);
      port.send(encodeLine({ id, call: what, ...(body === undefined ? {} : { body }) }));
      try {
        for (;;) {
          const reply = call.replies.shift();
          if (reply && "value" in reply) yield reply.value;
          else if (reply && "error" in reply) {
            calls.delete(id);
            const { code, message, hint } = reply.error;
            throw new AppError(code, message, hint ? { hint } : {});
          } else if (reply) return void calls.delete(id);
          else if (call.failed) throw call.failed;
          else {
            await orAborted(call.more.promise, signal);
            call.more = Promise.withResolvers();
          }
        }
      } finally {
        if (calls.delete(id)) port.send(encodeLine({ id, cancel: true }));
      }
    },
  };
}

/** @throws the signal's reason, when that comes first */
async function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  const stop = (): void => resolve();
  signal.addEventListener("abort", stop, { once: true });
  await Promise.race([promise, aborted]);
  signal.removeEventListener("abort", stop);
  signal.throwIfAborted();
}
