/** Ports that a hypervisor gives its machine. Source: Virtual I/O Device (VIRTIO) 1.2, section 5.3; Linux, drivers/char/virtio_console.c */
import { constants } from "node:fs";
import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** An opened port; nothing here waits for the other end. */
export interface VirtioPort extends AsyncDisposable {
  /**
   * What there is now, at most 32 KiB, good until the next read: often nothing, as no bytes; `undefined` while nobody has opened the other end.
   *
   * @throws NodeJS.ErrnoException `ENODEV` when the port was taken out
   */
  readonly read: () => Promise<Uint8Array | undefined>;
  /** @returns how many bytes were taken: 0 while the other end has no room. @throws as {@link VirtioPort.read} */
  readonly write: (bytes: Uint8Array) => Promise<number>;
}

const CHUNK = 32 * 1024;
const PORTS = "/sys/class/virtio-ports";

/**
 * The device of the port of that name, whether udev runs or not.
 *
 * @returns nothing where the hypervisor gives no such port
 */
export async function findVirtioPort(name: string, { sys = PORTS, dev = "/dev" } = {}): Promise<string | undefined> {
  for (const device of await readdir(sys).catch(() => [])) {
    const found = await readFile(join(sys, device, "name"), "utf8").catch(() => undefined); // taken out meanwhile, or without a name
    if (found?.trim() === name) return join(dev, device);
  }
  return undefined;
}

/** @throws NodeJS.ErrnoException `EBUSY` while another program has it, `EPERM` where the sandbox forbids it */
export async function openVirtioPort(path: string): Promise<VirtioPort> {
  const file = await open(path, constants.O_RDWR | constants.O_NONBLOCK);
  const buffer = new Uint8Array(CHUNK);
  return {
    read: async () => {
      try {
        const { bytesRead } = await file.read(buffer, 0, CHUNK, null);
        return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
      } catch (error) {
        return againOr(error, buffer.subarray(0, 0));
      }
    },
    write: async (bytes) => {
      try {
        return (await file.write(bytes, 0, Math.min(bytes.length, CHUNK), null)).bytesWritten;
      } catch (error) {
        return againOr(error, 0);
      }
    },
    [Symbol.asyncDispose]: async () => await file.close(),
  };
}

function againOr<T>(error: unknown, value: T): T {
  if ((error as NodeJS.ErrnoException).code === "EAGAIN") return value;
  throw error;
}
