import { resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { AppError } from "../../core/error.ts";
import { parseDuration, type Seconds } from "../../core/units.ts";
import { drained } from "../../host/drained.ts";
import { growNewFile, type GrowingFile } from "../../host/grow-new-file.ts";
import { MOST_OF_A_PACKET } from "../../layout/pcap-stream.ts";
import type { Cli, CliContext } from "../context.ts";
import { UsageError } from "../output.ts";
import { eachNode } from "./each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "./options.ts";

interface PcapOptions extends NodeOptions {
  readonly interface: string;
  readonly filter?: string;
  readonly snaplen?: number;
  readonly count?: number;
  readonly duration?: Seconds;
  readonly output: string;
  readonly withApi?: true;
  readonly promiscuous?: true;
}

const STDOUT = "-";
const MOST_SECONDS: Seconds = 12 * 3600;
const MOST_PACKETS = 999_999_999;

/** `petrify -n NODE pcap` */
export function registerNodePcap(program: Command, cli: Cli): void {
  const command = program
    .command("pcap")
    .summary("packets of a machine's network, for Wireshark")
    .description(
      "Captures packets of a network interface of one machine, into a file, or to standard output, for a program that reads\n" +
        "it. It goes on until Ctrl-C; the file is whole then. Packets that cannot be sent as fast as they come are left out and\n" +
        "counted. The machine's image has to have tcpdump. It is in the machine's audit log. Takes the role admin.",
    );
  addNodeOptionsTo(command)
    .requiredOption("-i, --interface <name>", "the interface: eth0; any is all of them")
    .option("-f, --filter <expression>", "only these packets, as pcap-filter(7) has it: 'host 192.0.2.1 and port 53'")
    .addOption(
      new Option("-s, --snaplen <bytes>", "only so much of each packet").argParser(
        wholeOf("Write a number of bytes, at most 262144.", MOST_OF_A_PACKET),
      ),
    )
    .addOption(
      new Option("-c, --count <packets>", "end after so many").argParser(wholeOf("Write a number of packets.", MOST_PACKETS)),
    )
    .addOption(new Option("--duration <time>", "end after so long (default: 5min), at most 12h").argParser(timeOf))
    .option("-o, --output <file>", "a new file, or - for standard output", STDOUT)
    .option("--with-api", "connections of the machine's API, too, which carry these packets")
    .option("--promiscuous", "packets that are for other machines, too")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify -n edge-7 pcap -i eth0 | wireshark -k -i -\n" +
        "  petrify -n edge-7 pcap -i any -f 'port 53' --duration 1min -o dns.pcap",
    )
    .action(cli.action(pcap));
}

const wholeOf =
  (what: string, most: number) =>
  (text: string): number => {
    const number = /^[1-9]\d{0,8}$/.test(text) ? Number(text) : 0;
    if (number > 0 && number <= most) return number;
    throw new InvalidArgumentError(what);
  };

function timeOf(text: string): Seconds {
  const seconds = parseDuration(text);
  if (seconds !== undefined && seconds <= MOST_SECONDS) return seconds;
  throw new InvalidArgumentError("Write a time of at most 12h: 30s, 5min, 1h.");
}

async function pcap(context: CliContext, options: PcapOptions): Promise<void> {
  assertPossible(context, options);
  const { signal, output } = context;
  const { interface: link, filter, snaplen, count, duration, withApi = false, promiscuous = false } = options;
  const request = {
    ...{ interface: link, withApi, promiscuous },
    ...(filter === undefined ? {} : { filter }),
    ...(snaplen === undefined ? {} : { snaplen }),
    ...(count === undefined ? {} : { count: BigInt(count) }),
    ...(duration === undefined ? {} : { duration: { seconds: BigInt(duration) } }),
  };
  const { CaptureService } = await import("../../protocol/petrify/v1/capture_pb.ts");
  let [packets, dropped] = [0n, 0n];
  await using file = openOutput(context, options.output);
  try {
    await eachNode(context, options, async ({ client }) => {
      for await (const message of client(CaptureService).capture(request, { signal })) {
        ({ packets, dropped } = message);
        if (message.data.length > 0) await file.write(message.data);
      }
    });
  } catch (error) {
    // That is how it ends: what has come is a whole file.
    if (!signal.aborted || !file.hasBegun()) throw error;
  }
  const text = `${packets} packet${packets === 1n ? "" : "s"}${dropped > 0n ? `; ${dropped} more came faster than they could be sent` : ""}`;
  const result = { packets: Number(packets), dropped: Number(dropped) };
  if (options.output === STDOUT) context.sinks.err(`${text}\n`);
  else output.result({ ...result, file: options.output }, `${options.output}: ${text}`);
}

function assertPossible({ nodes, selectors, allNodes, terminal, json }: CliContext, { output }: PcapOptions): void {
  if (nodes.length !== 1 || selectors.length > 0 || allNodes) {
    throw new UsageError("USAGE", "a capture is of one machine", { hint: "petrify -n edge-7 pcap -i eth0 -o edge-7.pcap" });
  }
  if (output !== STDOUT) return;
  if (json) throw new UsageError("USAGE", "--json and packets cannot both go to standard output", { hint: "Say -o FILE." });
  if (!terminal.output.isTTY) return;
  throw new UsageError("USAGE", "packets are nothing for a terminal", { hint: "Say -o FILE, or end with: | wireshark -k -i -" });
}

interface CaptureOutput extends GrowingFile {
  /** Something was written. */
  readonly hasBegun: () => boolean;
}

/** A file is made once there is something for it. Packets hold what nobody else should read. */
function openOutput({ cwd, terminal }: Pick<CliContext, "cwd" | "terminal">, path: string): CaptureOutput {
  let hasBegun = false;
  let file: GrowingFile | undefined;
  const write = async (bytes: Uint8Array): Promise<void> => {
    if (path === STDOUT) {
      terminal.output.write(bytes);
      return await drained(terminal.output);
    }
    file ??= await growNewFile(resolve(cwd, path), 0o600).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== "EEXIST") throw notWritten(path, cause);
      throw new AppError("FILE_EXISTS", `${path} is there already`, { hint: "Remove it first.", cause });
    });
    await file.write(bytes).catch((cause: unknown) => {
      throw notWritten(path, cause as NodeJS.ErrnoException);
    });
  };
  return {
    hasBegun: () => hasBegun,
    write: async (bytes) => {
      await write(bytes);
      hasBegun = true;
    },
    [Symbol.asyncDispose]: async () => await file?.[Symbol.asyncDispose](),
  };
}

const notWritten = (path: string, cause: NodeJS.ErrnoException): AppError =>
  new AppError("FILE_NOT_WRITTEN", `${path} cannot be written (${cause.code ?? cause.message})`, {
    hint: "Check the folder.",
    cause,
  });
