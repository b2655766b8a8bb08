import { z } from "zod";
import { AppError } from "../../core/error.ts";
import { kernelRecords } from "../../host/kernel-records.ts";
import { parseKernelMessage, type KernelMessage } from "../../layout/kernel-message.ts";
import { FACILITIES } from "../../layout/log-priority.ts";
import type { DmesgResponseJson, KernelMessageJson } from "../../protocol/petrify/v1/log_pb.ts";
import { lookCall } from "./call.ts";
import { priorityJson, priorityRequest } from "./log-priority.ts";

export const dmesg = lookCall({
  request: z.strictObject({
    priority: priorityRequest,
    follow: z.boolean().default(false),
  }),
  answer: async function* ({ priority = 7, follow }, _ports, signal): AsyncGenerator<DmesgResponseJson> {
    try {
      for await (const lines of kernelRecords(follow, signal)) {
        const messages = lines
          .flatMap((line) => parseKernelMessage(line) ?? [])
          .filter((message) => message.priority <= priority);
        if (messages.length > 0) yield { messages: messages.map(messageJson) };
      }
    } catch (cause) {
      signal.throwIfAborted();
      throw new AppError("LOGS_UNAVAILABLE", `the kernel's log cannot be read: ${(cause as Error).message}`, { cause });
    }
  },
});

const messageJson = ({ number, time, priority, facility, message }: KernelMessage): KernelMessageJson => ({
  ...{ number: String(number), sinceStart: `${(time / 1e6).toFixed(6)}s` },
  ...{ priority: priorityJson(priority), facility: FACILITIES[facility] ?? String(facility), message },
});
