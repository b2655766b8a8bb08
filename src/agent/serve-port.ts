/** Answers whoever runs this machine, over a port that the hypervisor gives it, or does not. docs/concepts/agent.md */
import type { LocalRoutes } from "../host/unix-http.ts";
import type { VirtioPort } from "../host/virtio-port.ts";
import { encodeLine, type ChannelReady } from "../layout/agent-channel.ts";
import { openChannel } from "./channel.ts";

export interface PortMeans {
  /** @returns nothing where there is no such port now */
  readonly open: () => Promise<VirtioPort | undefined>;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: (line: string) => void;
}

/** Between two looks for a port that is not there, and for somebody at its other end. */
const LOOK_MS = 10_000;
const LISTEN_MS = 1_000;
/** A port cannot be waited for as a socket is: it is looked at, seldom when nobody asks. */
const SOON_MS = 10;
const SELDOM_MS = 250;
/** Who takes no byte for so long is gone. */
const WRITE_LIMIT_MS = 30_000;

/**
 * Works until the signal is aborted, whatever becomes of the port.
 *
 * @param ready what a session begins with
 */
export async function servePort(
  routes: LocalRoutes,
  ready: () => ChannelReady,
  { open, wait, log }: PortMeans,
  signal: AbortSignal,
): Promise<void> {
  let said = "";
  while (!signal.aborted) {
    try {
      await using port = await open();
      if (port) await listen(port);
    } catch (error) {
      const { message } = error as Error;
      if (!signal.aborted && message !== said) log(`the port of whoever runs this machine: ${(said = message)}`);
    }
    await wait(LOOK_MS, signal).catch(() => {});
  }

  async function listen(port: VirtioPort): Promise<never> {
    for (;;) {
      const first = await port.read();
      if (first === undefined) await wait(LISTEN_MS, signal);
      else await session(port, first);
    }
  }

  /** Until nobody is at the other end, or nobody takes the answers. */
  async function session(port: VirtioPort, first: Uint8Array): Promise<void> {
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const write = async (text: string): Promise<void> => {
      try {
        await writeAll(port, new TextEncoder().encode(text), either);
      } catch (error) {
        over.abort(error);
        throw error;
      }
    };
    using channel = openChannel(routes, write);
    try {
      // After a line that a former session may have left unfinished.
      await write(`\n${encodeLine({ ready: ready() })}`);
      let pause = SOON_MS;
      for (let bytes: Uint8Array | undefined = first; bytes; bytes = await port.read()) {
        either.throwIfAborted();
        pause = bytes.length > 0 ? SOON_MS : Math.min(SELDOM_MS, pause * 1.2);
        if (bytes.length > 0) await channel.receive(bytes);
        else await wait(pause, either);
      }
    } catch (error) {
      if (!(over.signal.reason instanceof NobodyReads)) throw error;
    } finally {
      over.abort();
    }
  }

  async function writeAll(port: VirtioPort, bytes: Uint8Array, either: AbortSignal): Promise<void> {
    for (let at = 0, waited = 0; at < bytes.length;) {
      either.throwIfAborted();
      const taken = await port.write(bytes.subarray(at));
      at += taken;
      waited = taken > 0 ? 0 : waited + SOON_MS;
      if (waited > WRITE_LIMIT_MS) throw new NobodyReads("nobody takes the answers");
      if (taken === 0) await wait(SOON_MS, either);
    }
  }
}

class NobodyReads extends Error {}
