/** One debug container, from what is asked for to what its program has ended with. docs/concepts/debug.md */
import { join } from "node:path";
import { AppError } from "../../core/error.ts";
import { handover } from "../../core/handover.ts";
import { GiB, MiB, type Seconds } from "../../core/units.ts";
import type { AttachedProgram } from "../../host/attached-program.ts";
import { readText, removeFile } from "../../host/files.ts";
import { readStream, writeStream } from "../../host/stream-file.ts";
import { unpackLayers, type PackedLayer } from "../../host/unpack-layers.ts";
import { wait } from "../../host/wait.ts";
import type { ArchiveLimits } from "../../layout/archive-limits.ts";
import type { ContainerPlan } from "../../layout/container-plan.ts";
import { capabilitiesFor, capabilityNumber, type DebugRight } from "../../layout/debug-rights.ts";
import { redactJson } from "../../layout/redact.ts";
import { shortLine } from "../../layout/short-line.ts";
import type { DebugRequest, DebugResponse } from "../../protocol/petrify/v1/debug_pb.ts";
import { archiveStore } from "../../registry/archive-store.ts";
import { archivedImage } from "../../registry/archived-image.ts";
import { formatReference, parseReference, type RegistryReference } from "../../registry/reference.ts";
import type { ImageStore } from "../../registry/store.ts";
import { sizeOf, wantedOf, type DebugWanted } from "./request.ts";
import { toolsImage, type ToolsImage } from "./tools-image.ts";

/** What is told of a container. */
export type DebugNews = Exclude<NewsOf<DebugResponse["news"]>, { readonly case: undefined }>;
type NewsOf<T> = T extends { case: infer Case; value: infer Value }
  ? { readonly case: Case; readonly value: Plain<Value> }
  : never;
/** A message without what says of which kind it is. */
type Plain<T> = T extends Uint8Array ? Uint8Array : Omit<T, "$typeName" | "$unknown">;

export interface DebugPorts {
  /** A folder of its own, on the tmpfs of containers, as long as the scope lasts. */
  readonly folder: () => Promise<{ readonly path: string } & AsyncDisposable>;
  /** As the machine reaches it. */
  readonly registry: (reference: RegistryReference) => Promise<{ readonly store: ImageStore } & Disposable>;
  /**
   * Has the audit log say that there is a container, and for whom, until the scope ends.
   *
   * @param caller as the API's program says it
   */
  readonly log: (about: object, caller: string | undefined, signal: AbortSignal) => Promise<AsyncDisposable>;
  /** In bounds of the service manager's, which end it a little after its time. It ends with the scope, with all that it has started. */
  readonly start: (container: StartedContainer) => Promise<AttachedProgram>;
}
export interface StartedContainer {
  readonly plan: Omit<ContainerPlan, "terminal">;
  readonly rights: ReadonlySet<DebugRight>;
  readonly size: { readonly columns: number; readonly rows: number } | undefined;
  readonly seconds: Seconds;
}

/** Documented in docs/concepts/debug.md. Milliseconds. */
const TIMES = { aliveMs: 10_000, lostMs: 60_000, prepareMs: 900_000 } as const;
type Times = { readonly [name in keyof typeof TIMES]: number };
const MOST_CONTAINERS = 2;
const LIMITS: ArchiveLimits = { entries: 300_000, names: 64 * MiB, unpacked: 16 * GiB, ratio: 200, ratioFrom: GiB };
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** One call: what its caller says, and what is told. */
export type DebugCall = (
  heard: AsyncIterable<DebugRequest>,
  signal: AbortSignal,
  caller: string | undefined,
) => AsyncGenerator<DebugNews>;

export function debugCalls(ports: DebugPorts, times: Times = TIMES): DebugCall {
  let underWay = 0;
  return async function* (heard, signal, caller) {
    if (underWay >= MOST_CONTAINERS) {
      throw new AppError("DEBUG_BUSY", `${MOST_CONTAINERS} debug containers are on the machine already`, {
        hint: "Wait until one of them has ended.",
      });
    }
    underWay++;
    const stop = new AbortController();
    const { give, end, taken } = handover<DebugNews>();
    const all = AbortSignal.any([signal, stop.signal]);
    const working = work(ports, times, { heard: heard[Symbol.asyncIterator](), tell: give, caller }, all).then(
      () => end(),
      (error: unknown) => end(failureOf(error)),
    );
    try {
      yield* withSigns(taken(), times.aliveMs);
    } finally {
      stop.abort();
      await working;
      underWay--;
    }
  };
}

interface Talk {
  readonly heard: AsyncIterator<DebugRequest>;
  readonly tell: (news: DebugNews) => Promise<void>;
  readonly caller: string | undefined;
}

async function work(ports: DebugPorts, times: Times, talk: Talk, signal: AbortSignal): Promise<void> {
  const { tell, heard } = talk;
  const first = await within(heard.next(), times.lostMs, signal);
  if (first.done || first.value.part.case !== "start")
    throw new AppError("REQUEST_INVALID", "the first message has to say what is to be started");
  const wanted = wantedOf(first.value.part.value);
  await using folder = await ports.folder();
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(times.prepareMs)]);
  const preparing = prepared(ports, wanted, folder.path, { ...talk, lostMs: times.lostMs }, inTime, signal);
  await using image = await preparing.catch((error: unknown) => {
    if (signal.aborted || !inTime.aborted) throw error;
    throw new AppError("DEBUG_FAILED", "the image was not there in time", { hint: "Take a smaller one.", cause: error });
  });
  const container = containerOf(wanted, image, image.root);
  await using program = await ports.start(container);
  await tell({ case: "started", value: { digest: image.digest } });
  await tell({ case: "ended", value: await attached(program, container, talk, times.lostMs, signal) });
}

/** An image that is unpacked, and in the audit log until the scope ends. */
async function prepared(
  ports: DebugPorts,
  wanted: DebugWanted,
  folder: string,
  talk: Talk & { readonly lostMs: number },
  signal: AbortSignal,
  whole: AbortSignal,
): Promise<ToolsImage & { readonly root: string } & AsyncDisposable> {
  const { tell, caller } = talk;
  using found = await sourceOf(ports, wanted, folder, talk, talk.lostMs, signal);
  const image = await toolsImage(found.store, found.name, signal);
  const command = wanted.command.length > 0 ? wanted.command : image.command;
  if (command.length === 0) {
    throw new AppError("NO_COMMAND", "the image does not say what to start", { hint: "Name a program after the image: -- sh" });
  }
  await using scope = new AsyncDisposableStack();
  const { digest } = image;
  const words = shortLine((redactJson(command) as string[]).join(" "));
  scope.use(await ports.log({ image: found.origin, digest, rights: wanted.rights, command: words }, caller, whole));
  const { packed, files } = await layersOf(found, image, folder, tell, signal);
  await tell({ case: "progress", value: { doing: "unpacking the image" } });
  const root = join(folder, "root");
  await unpackLayers(packed, root, LIMITS, signal);
  for (const path of files) await removeFile(path);
  const kept = scope.move();
  return { ...image, command, root, [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
}

interface Found extends Disposable {
  readonly store: ImageStore;
  /** A tag or a digest. */
  readonly name: string;
  /** For people: no secret is in it. */
  readonly origin: string;
  /** What of it lies in the folder of the container. */
  readonly file?: string;
}

async function sourceOf(
  ports: DebugPorts,
  { image }: DebugWanted,
  folder: string,
  { heard, tell }: Talk,
  lostMs: number,
  signal: AbortSignal,
): Promise<Found> {
  if ("reference" in image) {
    const reference = parseReference(image.reference);
    if (reference.kind !== "registry")
      throw new AppError("REQUEST_INVALID", "an image comes from a registry, or from the caller", { hint: "Name a registry." });
    await tell({ case: "progress", value: { doing: `asking ${reference.registry}` } });
    const { store, [Symbol.dispose]: close } = await ports.registry(reference);
    const name = reference.digest ?? reference.tag ?? "latest";
    return { store, name, origin: formatReference(reference), [Symbol.dispose]: close };
  }
  const file = join(folder, "image.tar");
  await writeStream(file, archiveIn(heard, lostMs, signal), signal);
  const name = await archivedImage(file, image.tag, "the archive");
  return {
    store: { ...archiveStore(file), origin: "the archive" },
    name,
    origin: "an archive",
    file,
    [Symbol.dispose]: () => {},
  };
}

async function* archiveIn(heard: AsyncIterator<DebugRequest>, lostMs: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for (;;) {
    const next = await within(heard.next(), lostMs, signal);
    if (next.done) throw new AppError("REQUEST_INVALID", "the archive is not whole");
    const { part } = next.value;
    if (part.case === "archive") yield part.value;
    else if (part.case === "archiveEnd") return;
    else if (part.case !== "alive" && part.case !== "window") throw new AppError("REQUEST_INVALID", "the archive is not whole");
  }
}

/** Each is read twice: one that is elsewhere is fetched first. */
async function layersOf(
  { store, file: archive }: Found,
  { layers }: ToolsImage,
  folder: string,
  tell: Talk["tell"],
  signal: AbortSignal,
): Promise<{ readonly packed: readonly PackedLayer[]; readonly files: readonly string[] }> {
  const packed: PackedLayer[] = [];
  const files = archive === undefined ? [] : [archive];
  for (const [index, layer] of layers.entries()) {
    const origin = `layer ${index + 1} of ${layers.length} (${layer.digest})`;
    if (archive === undefined) {
      await tell({ case: "progress", value: { doing: `fetching layer ${index + 1} of ${layers.length}` } });
      const path = join(folder, `layer-${index}`);
      await writeStream(path, store.getBlob(layer, { signal }), signal);
      files.push(path);
      packed.push({ origin, size: layer.size, read: () => readStream(path, {}, signal) });
    } else {
      // Nothing of it is used before all of it is what it should be.
      for await (const _ of store.getBlob(layer, { signal }));
      packed.push({ origin, size: layer.size, read: () => store.getBlob(layer, { signal }) });
    }
  }
  return { packed, files };
}

function containerOf(
  { granted, terminal, seconds }: DebugWanted,
  { environment, command, folder }: ToolsImage,
  root: string,
): StartedContainer {
  const capabilities = capabilitiesFor(granted)?.map(capabilityNumber);
  const own = new Map(environment.map((one) => [one.slice(0, one.indexOf("=")), one]));
  const given: readonly string[] = [
    ...(own.has("PATH") ? [] : [`PATH=${PATH}`]),
    ...(own.has("HOME") ? [] : ["HOME=/root"]),
    ...(terminal ? [`TERM=${terminal.kind}`] : []),
  ];
  return {
    plan: {
      ...{ root, ended: join(root, "../ended"), command: command as [string, ...string[]], folder },
      environment: [...environment.filter((one) => !terminal || !one.startsWith("TERM=")), ...given],
      ...(capabilities ? { capabilities } : {}),
      has: {
        processes: granted.has("processes"),
        network: granted.has("network"),
        devices: granted.has("devices"),
        files: granted.has("write") ? "write" : granted.has("files") ? "read" : "no",
        settings: granted.has("all"),
      },
    },
    ...{ rights: granted, size: terminal?.size, seconds },
  };
}

/** Until the program has ended, its time is over, or its caller is gone. */
async function attached(
  { output, errors, write, endInput, resize, ended }: AttachedProgram,
  { plan, seconds }: StartedContainer,
  { heard, tell }: Talk,
  lostMs: number,
  signal: AbortSignal,
): Promise<{ readonly exitCode: number; readonly reason: string }> {
  const pass = async (which: "output" | "errors", from: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const value of from)
      for (let at = 0; at < value.length; at += PIECE) await tell({ case: which, value: value.subarray(at, at + PIECE) });
  };
  const hear = async (): Promise<never> => {
    for (;;) {
      const next = await within(heard.next(), lostMs, over.signal);
      if (next.done) {
        // Whoever has nothing to say any more may still listen: until the connection ends.
        endInput();
        return await new Promise<never>(() => {});
      }
      const { part } = next.value;
      if (part.case === "input") await write(part.value);
      else if (part.case === "inputEnd") endInput();
      else if (part.case === "window") resize(sizeOf(part.value));
      else if (part.case !== "alive")
        throw new AppError("REQUEST_INVALID", `${part.case ?? "a message without anything"} makes no sense now`);
    }
  };
  const over = new AbortController();
  const gone = AbortSignal.any([over.signal, signal]);
  const done = async () => {
    await Promise.all([pass("output", output), pass("errors", errors)]);
    await ended;
    return { exitCode: await codeIn(plan.ended), reason: "" };
  };
  const late = async () => {
    await wait(seconds * 1000, gone);
    return { exitCode: TIME_IS_OVER, reason: "its time was over" };
  };
  const ways = [done(), hear(), late()];
  for (const way of ways) way.catch(() => {}); // the first is what counts
  try {
    return await Promise.race(ways);
  } finally {
    over.abort();
  }
}
/** @throws AppError `DEBUG_FAILED` where the program has not ended by itself */
async function codeIn(file: string): Promise<number> {
  const text = await readText(file).catch(() => "");
  if (/^\d{1,3}\n$/.test(text)) return Number(text);
  throw new AppError("DEBUG_FAILED", "the service manager could not start the container, or has ended it", {
    hint: "It may have had no memory left; the machine's journal says more: unit petrify-debug-*.",
  });
}
/** Of a message; the API's program takes larger ones. */
const PIECE = 64 * 1024;
/** Source: timeout(1) */
const TIME_IS_OVER = 124;

/** What comes; what is not there in time never is. @throws AppError `DEBUG_LOST`; the signal's reason */
async function within<T>(promise: Promise<T>, ms: number, signal: AbortSignal): Promise<T> {
  const over = new AbortController();
  const late = async (): Promise<never> => {
    await wait(ms, AbortSignal.any([signal, over.signal]));
    throw new AppError("DEBUG_LOST", `nothing was heard for ${ms / 1000} s`);
  };
  const limit = late();
  limit.catch(() => {});
  try {
    return await Promise.race([promise, limit]);
  } finally {
    over.abort();
  }
}

/** The same, and a sign that somebody is there whenever nothing else is told for a while. */
async function* withSigns(values: AsyncGenerator<DebugNews, void>, ms: number): AsyncGenerator<DebugNews> {
  try {
    for (let next = values.next(); ;) {
      const over = new AbortController();
      const late = wait(ms, over.signal).then(
        () => undefined,
        () => undefined,
      );
      const found = await Promise.race([next, late]);
      over.abort();
      if (found === undefined) yield { case: "alive", value: {} };
      else if (found.done) return;
      else {
        yield found.value;
        next = values.next();
      }
    }
  } finally {
    void values.return();
  }
}

function failureOf(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== "ENOSPC") return error;
  return new AppError("DEBUG_NO_ROOM", "the image does not fit into the memory that debug containers have", {
    hint: "Take a smaller one: half of the machine's memory has to hold it packed and unpacked.",
    cause: error,
  });
}
