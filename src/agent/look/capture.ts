import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../../core/error.ts";
import { listFolder } from "../../host/files.ts";
import { CommandError } from "../../host/run.ts";
import type { StartedProgram } from "../../host/start-program.ts";
import { wait } from "../../host/wait.ts";
import { API_PORT } from "../../layout/api-places.ts";
import { MOST_OF_A_PACKET, pcapParts } from "../../layout/pcap-stream.ts";
import { shortLine } from "../../layout/short-line.ts";
import { droppedPackets, tcpdumpArguments } from "../../layout/tcpdump.ts";
import type { CaptureResponseJson } from "../../protocol/petrify/v1/capture_pb.ts";
import { lookCall, type LookCall, type LookPorts } from "./call.ts";
import { wholeJson } from "./json.ts";

/** Each has a buffer of the kernel's, and each packet is looked at by all of them. */
const MOST_CAPTURES = 2;
const DEFAULT_SECONDS = 300;
const MOST_SECONDS = 12 * 3600;
/** How often it is asked how many packets were dropped; milliseconds. */
const COUNT_MS = 2000;

const request = z.strictObject({
  // Not more than the kernel has for a name. Source: linux/if.h (IFNAMSIZ), dev_valid_name()
  interface: z.string().regex(/^[^\s/:-][^\s/:]{0,14}$/, "no name of a network interface"),
  filter: z
    .string()
    .max(1000)
    .regex(/^\P{Cc}*$/u, "an expression of one line")
    .default("")
    .transform((text) => text.trim()),
  snaplen: z.int().min(1).max(MOST_OF_A_PACKET).default(MOST_OF_A_PACKET),
  count: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, "a number of packets")
    .transform(Number)
    .optional(),
  duration: z
    .string()
    .regex(/^\d{1,5}(\.\d{1,9})?s$/, "a time of at most 12 h")
    .transform((text) => Number.parseFloat(text))
    .refine((seconds) => seconds > 0 && seconds <= MOST_SECONDS, "a time of at most 12 h")
    .default(DEFAULT_SECONDS),
  withApi: z.boolean().default(false),
  promiscuous: z.boolean().default(false),
});
type Asked = z.infer<typeof request>;

/** @param takenMs how long what was captured in time is kept for whoever has not taken it yet */
export function captureCall(takenMs: number): LookCall {
  const underWay = new Set<object>();
  return lookCall({
    request,
    answer: async function* (asked, ports, signal, caller): AsyncGenerator<CaptureResponseJson> {
      await assertThere(asked.interface, ports);
      if (underWay.size >= MOST_CAPTURES) {
        throw new AppError("CAPTURE_BUSY", `${MOST_CAPTURES} captures are under way on the machine already`, {
          hint: "Wait until one of them has ended.",
        });
      }
      underWay.add(asked);
      const late = new AbortController();
      let counts = { isListening: false, dropped: 0 };
      const heard = (line: string): void => {
        const { isListening, dropped } = counts;
        counts = { isListening: isListening || line.includes("listening on"), dropped: droppedPackets(line) ?? dropped };
      };
      const begun = async (): Promise<StartedProgram> => {
        const log = await ports.logCapture(asked, caller, signal);
        const argv = tcpdumpArguments({ ...asked, link: asked.interface }, API_PORT);
        const program = ports.startProgram(argv, AbortSignal.any([signal, late.signal]), heard);
        void program.ended.then(async () => await log[Symbol.asyncDispose]());
        return program;
      };
      const program = await begun().catch((error: unknown) => {
        underWay.delete(asked);
        throw error;
      });
      // Not at the end of this: who takes nothing never comes to it.
      void program.ended.then(() => underWay.delete(asked));
      void watched(
        program,
        asked.duration,
        () => counts.isListening,
        async (gone) => {
          await wait(takenMs, gone);
          late.abort();
        },
      );
      const whole = pcapParts();
      let packets = 0;
      const soFar = () => ({ packets: wholeJson(packets), dropped: wholeJson(counts.dropped) });
      try {
        for await (const bytes of program.output) {
          const part = whole(bytes);
          packets += part.packets;
          if (part.data.length > 0) yield { data: Buffer.from(part.data).toString("base64"), ...soFar() };
        }
      } catch (cause) {
        signal.throwIfAborted();
        throw late.signal.aborted
          ? new AppError("CAPTURE_FAILED", "its packets were not taken in time")
          : failureOf(cause, asked);
      }
      yield soFar();
    },
  });
}

async function assertThere(link: string, { root }: LookPorts): Promise<void> {
  const links = await listFolder(join(root, "sys/class/net"));
  if (link === "any" || links.includes(link)) return;
  throw new AppError("NO_SUCH_INTERFACE", `the machine has no network interface ${link}`, {
    hint: `It has ${["any", ...links].join(", ")}.`,
  });
}

/** Ends it in time, and has it say meanwhile what was dropped. @param over what comes then */
async function watched(
  { ended, send }: StartedProgram,
  seconds: number,
  isListening: () => boolean,
  over: (gone: AbortSignal) => Promise<void>,
): Promise<void> {
  const gone = new AbortController();
  void ended.then(() => gone.abort());
  try {
    for (let left = seconds * 1000; left > 0; left -= COUNT_MS) {
      await wait(Math.min(COUNT_MS, left), gone.signal);
      // Before that it would end of it.
      if (isListening()) send("SIGUSR1");
    }
    send("SIGINT");
    await over(gone.signal);
  } catch {
    // It has ended.
  }
}

function failureOf(cause: unknown, { interface: link, filter }: Asked): unknown {
  if (!(cause instanceof CommandError)) return cause;
  if (!cause.result) {
    const isMissing = (cause.cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
    if (!isMissing) return new AppError("CAPTURE_FAILED", "the machine cannot start another program now", { cause });
    return new AppError("TOOL_MISSING", "the image has no tcpdump", {
      hint: "Have the package tcpdump in its recipe: all distributions call it so.",
      cause,
    });
  }
  const why = shortLine(
    cause.result.stderr
      .trim()
      .split("\n")
      .at(-1)!
      .replace(/^tcpdump: /, ""),
  );
  const hint = filter === "" ? {} : { hint: "pcap-filter(7) has how filters are written. Names of hosts are not looked up." };
  return new AppError("CAPTURE_FAILED", `packets of ${link} cannot be captured: ${why}`, { ...hint, cause });
}
