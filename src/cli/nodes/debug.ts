import { resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { AppError } from "../../core/error.ts";
import { parseDuration, type Seconds } from "../../core/units.ts";
import type { DebugAsked, DebugEnds, DebugInput } from "../../client/debug-container.ts";
import { drained } from "../../host/drained.ts";
import { kindOf, readStream } from "../../host/stream-file.ts";
import { DEBUG_RIGHTS, type DebugRight } from "../../layout/debug-rights.ts";
import { parseReference } from "../../registry/reference.ts";
import type { Cli, CliContext } from "../context.ts";
import { UsageError } from "../output.ts";
import { eachNode } from "./each-node.ts";
import { escapeKeys } from "./escape-keys.ts";
import { addNodeOptionsTo, type NodeOptions } from "./options.ts";

interface DebugOptions extends NodeOptions {
  readonly rights?: readonly DebugRight[];
  readonly duration?: Seconds;
  readonly terminal: boolean;
}

const MOST_SECONDS: Seconds = 12 * 3600;

/** `petrify -n NODE debug IMAGE [COMMAND...]` */
export function registerNodeDebug(program: Command, cli: Cli): void {
  const command = program
    .command("debug")
    .argument(
      "<image>",
      "of the tools: registry.example/tools:1, as the machine reaches it; ./tools.tar or oci-archive:FILE:TAG, which is sent",
    )
    .argument("[command...]", "a program of the image and its arguments, after -- (default: what the image says)")
    .summary("a container of tools on a machine, as long as the call lasts")
    .description(
      "Starts a program of an image in a throw-away container on one machine, with a terminal where there is one here. It has\n" +
        "nothing of the machine unless a right says so. Everything is gone when it ends, or when the connection does. Ctrl-] three\n" +
        "times within a second ends it. The exit code is the program's. It is in the machine's audit log. Takes the role admin.",
    );
  addNodeOptionsTo(command)
    .addOption(
      new Option(
        "--rights <rights>",
        `what of the machine it has, with commas between them: ${DEBUG_RIGHTS.join(", ")} (default: nothing, and no network)`,
      ).argParser(rightsOf),
    )
    .addOption(new Option("--duration <time>", "end after so long (default: 1h), at most 12h").argParser(timeOf))
    .option("-T, --no-terminal", "three streams instead of a terminal")
    .addHelpText(
      "after",
      "\nRights:\n" +
        "  network    the machine's network: its packets, and settings of it\n" +
        "  processes  its processes: seen, signalled, traced; that is as much as root has\n" +
        "  files      its files in /host, to be read\n" +
        "  write      the same to be written to: what lasts can be changed\n" +
        "  devices    its devices, its disks among them\n" +
        "  all        all of these, every capability and every system call\n" +
        "\nExamples:\n  petrify -n edge-7 debug registry.example/tools:1\n" +
        "  petrify -n edge-7 debug registry.example/tools:1 --rights network,processes -- ss -tlnp\n" +
        "  petrify -n edge-7 debug ./tools.oci.tar --rights files -- du -sh /host/var/log",
    )
    .action(cli.action(debug));
}

function rightsOf(text: string): readonly DebugRight[] {
  return text.split(",").map((word) => {
    const right = DEBUG_RIGHTS.find((one) => one === word.trim());
    if (!right) throw new InvalidArgumentError(`They are ${DEBUG_RIGHTS.join(", ")}.`);
    return right;
  });
}

function timeOf(text: string): Seconds {
  const seconds = parseDuration(text);
  if (seconds !== undefined && seconds <= MOST_SECONDS) return seconds;
  throw new InvalidArgumentError("Write a time of at most 12h: 30s, 5min, 1h.");
}

async function debug(context: CliContext, image: string, command: readonly string[], options: DebugOptions): Promise<void> {
  const { nodes, selectors, allNodes, terminal, json, env, signal, sinks, output, progress } = context;
  if (nodes.length !== 1 || selectors.length > 0 || allNodes)
    throw new UsageError("USAGE", "a container is on one machine", { hint: "petrify -n edge-7 debug registry.example/tools:1" });
  const hasTerminal = options.terminal && !json && terminal.input.isTTY && terminal.output.isTTY;
  const stop = new AbortController();
  const window = () => ({ columns: terminal.output.columns, rows: terminal.output.rows });
  const own = hasTerminal ? { terminal: { kind: env["TERM"] ?? "dumb", window: window() } } : {};
  const asked = await askedFor(context, image, { ...own, command: [...command] }, options);
  const { debugContainer } = await import("../../client/debug-container.ts");
  let digest = "";
  const text = { output: new TextDecoder(), errors: new TextDecoder() };
  const shown = async (which: "output" | "errors", bytes: Uint8Array): Promise<void> => {
    if (json) output.event({ type: which, ...{ text: text[which].decode(bytes, { stream: true }) } });
    else if (which === "output") terminal.output.write(bytes);
    else sinks.err(text.errors.decode(bytes, { stream: true }));
    await drained(terminal.output);
  };
  const ends: DebugEnds = {
    doing: (what) => progress.note(what),
    started: (found, say) => {
      digest = found;
      return attach(context, hasTerminal, window, say, () =>
        stop.abort(new AppError("DEBUG_ENDED", "the container was ended from here")),
      );
    },
    output: async (bytes) => await shown("output", bytes),
    errors: async (bytes) => await shown("errors", bytes),
  };
  const both = AbortSignal.any([signal, stop.signal]);
  const [answer] = await eachNode(context, options, async (connection, _call, { node }) => {
    try {
      return await debugContainer(connection, node, asked, ends, both);
    } catch (error) {
      stop.signal.throwIfAborted();
      throw error;
    }
  });
  const { exitCode, reason } = (answer as { readonly value: { readonly exitCode: number; readonly reason: string } }).value;
  if (json) output.result({ digest, exitCode, reason }, "");
  else if (reason !== "") sinks.err(`ended: ${reason}\n`);
  context.endWith(exitCode);
}

/** @throws AppError `REFERENCE_INVALID`, `IMAGE_NOT_FOUND` */
async function askedFor(
  { cwd }: Pick<CliContext, "cwd">,
  image: string,
  given: Pick<DebugAsked["start"], "command" | "terminal">,
  { rights = [], duration }: DebugOptions,
): Promise<DebugAsked> {
  const { DebugRight: Right } = await import("../../protocol/petrify/v1/debug_pb.ts");
  const own = {
    ...given,
    rights: rights.map((right) => Right[right.toUpperCase() as Uppercase<DebugRight>]),
    ...(duration === undefined ? {} : { duration: { seconds: BigInt(duration) } }),
  };
  const reference = parseReference(/^\.{0,2}\//.test(image) ? `oci-archive:${image}` : image);
  if (reference.kind === "registry" || reference.kind === "web")
    return { start: { ...own, image: { case: "reference", value: image } } };
  const path = resolve(cwd, reference.kind === "archive" ? reference.file : reference.folder);
  if (reference.kind === "layout" || (await kindOf(path)) !== "file") {
    throw new AppError("IMAGE_NOT_FOUND", `${path} is no file`, {
      hint: "Name a tar of an OCI image layout: podman save --format oci-archive -o tools.tar IMAGE; petrify copy oci:FOLDER:TAG oci-archive:FILE:TAG.",
    });
  }
  return { start: { ...own, image: { case: "archive", value: { tag: reference.tag ?? "" } } }, archive: readStream(path) };
}

/** What is typed goes to the machine, of a terminal every key; the terminal is as it was when the scope ends. @param end on three times Ctrl-] */
function attach(
  { terminal: { input, output } }: Pick<CliContext, "terminal">,
  hasTerminal: boolean,
  window: () => { readonly columns: number; readonly rows: number },
  say: (part: DebugInput) => Promise<void>,
  end: () => void,
): Disposable {
  const isEscape = escapeKeys(() => performance.now());
  const onData = (typed: Buffer | string): void => {
    const value = typeof typed === "string" ? Buffer.from(typed) : typed;
    if (hasTerminal && isEscape(value)) return end();
    // Nothing more is read before this was taken.
    input.pause();
    void say({ case: "input", value }).then(() => (isOver ? undefined : input.resume()));
  };
  const onEnd = (): void => void say({ case: "inputEnd", value: {} });
  const onResize = (): void => void say({ case: "window", value: window() });
  let isOver = false;
  if (hasTerminal) {
    input.setRawMode(true);
    output.on("resize", onResize);
    onResize(); // it may have changed meanwhile
  }
  input.on("data", onData).on("end", onEnd);
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      input.off("data", onData).off("end", onEnd);
      input.pause();
      if (!hasTerminal) return;
      output.off("resize", onResize);
      input.setRawMode(false);
    },
  };
}
