import type { Duplex } from "node:stream";
import { AppError } from "../core/error.ts";

export interface QmpEvent {
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}
interface Reply {
  readonly QMP?: unknown;
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}
interface Pending {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** A connection to QEMU's machine protocol (QMP). */
export interface Qmp {
  /** @throws AppError `QMP_FAILED` when QEMU refuses, `VM_ENDED` when it is gone */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Runs a command that starts a job (`snapshot-save`, …) to the job's end. */
  job(command: string, args: Readonly<Record<string, unknown>>): Promise<void>;
}

export interface QmpOptions {
  readonly onEvent?: (event: QmpEvent) => void;
}

/** Greets QEMU over a connected stream. Resolves when commands are taken. */
export async function connectQmp(stream: Duplex, { onEvent }: QmpOptions = {}): Promise<Qmp> {
  const pending = new Map<number, Pending>();
  const jobs = new Map<string, () => void>();
  const greeted = Promise.withResolvers<void>();
  let next = 0;
  let closed = false;

  const receive = (reply: Reply): void => {
    if (reply.QMP) greeted.resolve();
    else if (reply.event !== undefined) {
      onEvent?.({ event: reply.event, ...(reply.data ? { data: reply.data } : {}) });
      if (reply.event === "JOB_STATUS_CHANGE" && reply.data?.["status"] === "concluded") jobs.get(String(reply.data["id"]))?.();
    } else {
      const waiting = pending.get(reply.id!);
      pending.delete(reply.id!);
      if (reply.error) waiting?.reject(new AppError("QMP_FAILED", `QEMU refused ${waiting.command}: ${reply.error.desc}`));
      else waiting?.resolve(reply.return);
    }
  };
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line.trim()) receive(JSON.parse(line) as Reply);
  });
  const gone = (): AppError => new AppError("VM_ENDED", "QEMU has ended");
  stream.on("close", () => {
    closed = true;
    greeted.reject(gone());
    for (const { reject } of pending.values()) reject(gone());
    pending.clear();
  });

  const execute: Qmp["execute"] = async (command, args) => {
    if (closed) throw gone();
    const id = next++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    pending.set(id, { command, resolve, reject });
    stream.write(`${JSON.stringify({ execute: command, id, ...(args ? { arguments: args } : {}) })}\n`);
    return await promise;
  };
  await greeted.promise;
  await execute("qmp_capabilities");
  return {
    execute,
    job: async (command, args) => {
      const id = `job${next}`;
      const concluded = new Promise<void>((resolve) => jobs.set(id, resolve));
      await execute(command, { ...args, "job-id": id });
      await concluded;
      jobs.delete(id);
      const all = (await execute("query-jobs")) as { readonly id: string; readonly error?: string }[];
      await execute("job-dismiss", { id });
      const error = all.find((job) => job.id === id)?.error;
      if (error) throw new AppError("QMP_FAILED", `QEMU's ${command} failed: ${error}`);
    },
  };
}
