/**
 * What goes wrong between a registry and a machine, all the way: asked for by somebody, judged, written, remembered. Whatever it is, there is a code, a
 * sentence and a hint, what runs is not touched, and the next try goes on. The table of docs/concepts/upgrade.md.
 */
import assert from "node:assert/strict";
import { before, suite, test } from "node:test";
import { faultyRegistry, NOW, Place, push, readerOf, type Pushed } from "../../tests/support/pushed-release.ts";
import type { Asked, Fault, TestRegistry } from "../../tests/support/registry.ts";
import { releaseImage, type ReleaseImage } from "../../tests/support/release-images.ts";
import { newKeyPair } from "../../tests/support/signing.ts";
import { testTools } from "../../tests/support/tools.ts";
import { AppError } from "../core/error.ts";
import { sha256 } from "../host/sha256.ts";
import { zstdUnpack, zstdUnpackPieces } from "../host/zstd.ts";
import { keyId } from "../layout/public-key.ts";
import { parseReference } from "../registry/reference.ts";
import { addKey, firstKeys, revokeKey } from "../release/change-keys.ts";
import { verifyImage } from "../release/verify-image.ts";
import { boot, type BootOptions } from "./fake-boot.ts";
import { freshDisk, type FakeDisk, type FakeMachine } from "./fake-machine.ts";
import { historyText } from "./history-text.ts";
import type { OperationNews } from "./operations/driver.ts";
import type { ImagePorts } from "./operations/ports.ts";
import { tellingWriter } from "./place-writer.ts";
import { inspectRelease, writeRelease } from "./registry-image.ts";

const [key, other, stranger] = [newKeyPair(), newKeyPair(), newKeyPair()];
const trusted = addKey(firstKeys([key.publicKey], sha256), other.publicKey, sha256);
const SEGMENT = "application/vnd.petrify.segment.v1+zstd";

let old: ReleaseImage;
let wanted: ReleaseImage;
/** Of images that do not know the config of a machine. */
let foreign: ReleaseImage;
before(async () => {
  const tools = await testTools();
  old = await releaseImage(tools, "1.0.0");
  wanted = await releaseImage(tools, "1.1.0", { machineConfig: { hostname: "" } });
  foreign = await releaseImage(tools, "1.1.0", { machineConfig: {} });
});

type Registry = Awaited<ReturnType<typeof faultyRegistry>>;
/** A machine's disk, with the bytes of its slots. */
interface Disk {
  readonly on: FakeDisk;
  readonly a: Place;
  readonly b: Place;
  /** Called before each write to b. */
  hold?: (signal: AbortSignal) => Promise<void>;
}
/** Slot a runs, and is proven; so is what b has. */
function newDisk(more: Partial<FakeDisk> = {}): Disk {
  const on = freshDisk({ clock: NOW, trusted, ...more });
  on.record = { ...on.record, slots: { ...on.record.slots, a: { state: "proven", digest: old.found.digest } } };
  on.state = { ...on.state, released: { a: { digest: old.found.digest, created: NOW - 1000 } } };
  const [a, b] = [new Place(wanted.bytes.length + 8192), new Place(wanted.bytes.length + 8192)];
  a.bytes.set(old.bytes);
  return { on, a, b };
}

/** The ports of image-work.ts, on slots in memory: what is behind them is what the agent's worker runs. */
function imagesOf(disk: Disk, { reader: store }: Registry, fake: ImagePorts): ImagePorts {
  const { a, b } = disk;
  const running = { image: readerOf(a.bytes), found: old.found };
  const placeOf = (place: string): Place => {
    assert.equal(place, "b", "what runs is not written, nor read for another place");
    return b;
  };
  return {
    ...fake,
    inspect: async (source, signal, judgement) => {
      assert.ok(source.is === "registry");
      return await inspectRelease({ store, reference: parseReference(source.reference), judgement, running, signal });
    },
    capacity: async (place) => await Promise.resolve(placeOf(place).bytes.length),
    write: async ({ source, image, place }, progress, signal) => {
      assert.ok(source.is === "registry");
      const target = placeOf(place);
      const downloaded = await writeRelease({
        ...{
          store,
          reference: parseReference(source.reference),
          digest: image.digest,
          running,
          signal,
          unpack: zstdUnpack,
          unpackPieces: zstdUnpackPieces,
        },
        ...{ place: target.place, turn: async () => await Promise.resolve() },
        writer: tellingWriter({
          ...target.writer,
          write: async (...given) => {
            await disk.hold?.(signal);
            await target.writer.write(...given);
          },
        }),
        written: (written, soFar) => progress({ written, downloaded: soFar }),
        way: (way) => progress({ way }),
      });
      return { downloaded };
    },
    verify: async (place, digest, _, signal) => {
      const verdict = await verifyImage({ image: placeOf(place).place, sha256, digest, signal });
      return verdict.ok ? {} : { damage: verdict.damage.what };
    },
  };
}

interface Asking {
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
  readonly news: readonly OperationNews[];
}
/** One boot of slot a, which ends with a restart, or when nothing more is wanted of it. */
async function bootWith(disk: Disk, registry: Registry, isOver: () => boolean, options: BootOptions): Promise<void> {
  await boot(disk.on, {
    ...options,
    prepare: (machine, stop) => {
      const { wait } = machine;
      const others = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));
      machine.onWait = () => !isOver();
      Object.assign(machine, {
        now: () => NOW,
        // The registry needs real time.
        wait: async (...given: Parameters<typeof wait>) => {
          await others();
          await wait(...given);
        },
      });
      Object.assign(machine, { images: imagesOf(disk, registry, machine.images) });
      Object.assign(machine.facts.image!, { name: old.found.manifest.name, version: "1.0.0" });
      options.prepare?.(machine, stop);
    },
  });
}
/** One in which somebody asks for the release. */
async function ask(
  disk: Disk,
  registry: Registry,
  prepare: (machine: FakeMachine) => void = () => {},
  killed: () => boolean = () => false,
): Promise<Asking> {
  const news: OperationNews[] = [];
  let error: Asking["error"];
  let isAnswered = false;
  await bootWith(disk, registry, () => isAnswered || killed(), {
    prepare,
    ask: async (agent, signal) => {
      const source = { is: "registry", reference: `http://${registry.registry.host}/team/os:v1` } as const;
      try {
        for await (const one of agent.operations.upgrade({ source, recovery: false, restart: true, force: false }, signal))
          news.push(one);
      } catch (caught) {
        if (!signal.aborted) error = caught as NonNullable<Asking["error"]>;
      } finally {
        isAnswered = true;
      }
    },
  });
  return { news, ...(error ? { error } : {}) };
}

const assertClear = (
  { code, message, hint }: { readonly code?: string | undefined; readonly message?: string; readonly hint?: string },
  expected: string,
  words: RegExp,
): void => {
  assert.equal(code, expected, message ?? "");
  assert.match(message ?? "", words);
  assert.ok(hint !== undefined && hint.length > 10, `a hint: ${hint}`);
};
const assertRunningUntouched = ({ on, a }: Disk): void => {
  assert.ok(a.bytes.subarray(0, old.bytes.length).equals(old.bytes), "slot a");
  assert.equal(on.record.active, "a");
  assert.deepEqual(on.record.slots.a, { state: "proven", digest: old.found.digest });
  assert.equal(on.tries.a, 6);
};
const assertBoots = ({ on, b }: Disk): void => {
  assert.ok(b.bytes.subarray(0, wanted.bytes.length).equals(wanted.bytes), "byte for byte the image, hash tree included");
  assert.deepEqual([on.record.active, on.record.slots.b], ["b", { state: "trial", digest: wanted.found.digest }]);
};
/** Blobs of segments, in the order of the list. */
function segmentsOf({ repository }: TestRegistry): readonly string[] {
  const manifests = [...repository("team/os").manifests.values()].map(
    ({ bytes }) => JSON.parse(bytes.toString()) as { layers?: { mediaType: string; digest: string }[] },
  );
  return manifests.flatMap(({ layers = [] }) => layers.filter((one) => one.mediaType === SEGMENT).map(({ digest }) => digest));
}

suite("refused before anything is written", () => {
  const next = addKey(trusted, newKeyPair().publicKey, sha256);
  const revoked = revokeKey(next, keyId(key.publicKey, sha256), NOW - 500);
  const good = { signedBy: [key] } as const;
  interface Refused {
    readonly pushed?: Pushed;
    /** What is pushed in place of the new one. */
    readonly image?: () => ReleaseImage;
    readonly disk?: Partial<FakeDisk>;
    readonly clock?: false;
    readonly fault?: (asked: Asked) => Fault | undefined;
    readonly code: string;
    readonly words: RegExp;
  }
  const on =
    (part: string, fault: Fault) =>
    ({ method, url }: Asked): Fault | undefined =>
      method === "GET" && url.includes(part) ? fault : undefined;
  const cases: readonly (readonly [string, Refused])[] = [
    ["nobody has signed", { pushed: {}, code: "RELEASE_UNSIGNED", words: /test 1\.1\.0 is not signed/ }],
    ["a wrong key has signed", { pushed: { signedBy: [stranger] }, code: "KEY_UNKNOWN", words: /no trusted key has signed/ }],
    ["a revoked key has signed", { disk: { trusted: revoked }, code: "KEY_REVOKED", words: /which is revoked/ }],
    [
      "has expired",
      { pushed: { ...good, facts: { expires: () => NOW - 1 } }, code: "RELEASE_EXPIRED", words: /has expired on 2030-/ },
    ],
    [
      "expires, while the clock is not set",
      {
        pushed: { ...good, facts: { expires: () => NOW + 9999 } },
        clock: false,
        ...{ code: "CLOCK_NOT_SET", words: /does not know what day it is: it has none$/ },
      },
    ],
    [
      "is an old one, replayed with its good signature",
      {
        pushed: { ...good, facts: { created: NOW - 5000 } },
        image: () => old,
        code: "RELEASE_OLDER",
        words: /is older than 1\.0\.0/,
      },
    ],
    [
      "brings keys that the machine cannot take",
      {
        pushed: {
          signedBy: [other],
          facts: { keys: addKey(addKey(next, newKeyPair().publicKey, sha256), newKeyPair().publicKey, sha256) },
        },
        disk: { trusted: revoked },
        ...{ code: "KEYS_REVIVED", words: /./ },
      },
    ],
    [
      "does not know what the machine config says",
      { image: () => foreign, disk: { config: { a: "aa" } }, code: "CONFIG_UNSUPPORTED", words: /test 1\.1\.0 cannot do all/ },
    ],
    [
      "cannot be judged, since nobody knows the keys",
      { disk: { trustUnknown: true }, code: "TRUST_UNKNOWN", words: /cannot be read/ },
    ],
    [
      "is not there",
      { fault: on("/manifests/", { status: 404 }), code: "REGISTRY_NOT_FOUND", words: /manifest v1: is not there/ },
    ],
    ["nobody gives", { fault: on("/manifests/", { status: 403 }), code: "REGISTRY_DENIED", words: /does not allow/ }],
    [
      "is behind a line that is down",
      { fault: on("/", { cutAfter: 0 }), code: "REGISTRY_UNREACHABLE", words: /manifest v1: .*2 times/ },
    ],
    [
      "is asked for too often",
      {
        fault: on("/", { status: 429, headers: { "retry-after": "3600" } }),
        ...{ code: "REGISTRY_RATE_LIMITED", words: /wait for 3600 s/ },
      },
    ],
    [
      "has a manifest with another digest",
      {
        fault: on("/manifests/", { change: (body: Buffer) => Buffer.concat([body, Buffer.from(" ")]) }),
        code: "REGISTRY_INVALID",
        words: /digest/,
      },
    ],
    [
      "has a document whose size is a lie",
      {
        fault: on("/blobs/", { change: (body) => Buffer.concat([body, body]) }),
        code: "REGISTRY_INVALID",
        words: /bytes and not/,
      },
    ],
    [
      "has a document that drips",
      { fault: on("/blobs/", { dripMs: 20 }), code: "REGISTRY_UNREACHABLE", words: /too little came/ },
    ],
  ];
  for (const [name, { pushed = good, image = () => wanted, disk: more, clock, fault, code, words }] of cases) {
    test(`a release that ${name}: ${code}`, async () => {
      await using registry = await faultyRegistry({
        tries: 2,
        ...(name.includes("drips") ? { stallMs: 1000 } : {}),
      });
      await push(registry.store, image(), pushed);
      registry.fail(fault);
      const disk = newDisk(more);
      const found = await ask(disk, registry, (machine) => {
        if (clock === false)
          Object.assign(machine, { clockIsSet: async () => await Promise.resolve({ isSet: false, why: "it has none" }) });
      });
      assertClear(found.error ?? {}, code, words);
      assertRunningUntouched(disk);
      assert.deepEqual(disk.on.record.slots.b, { state: "proven", digest: "bb" });
      assert.ok(disk.b.bytes.every((byte) => byte === 0x55));
      assert.deepEqual(disk.on.state.operations, []);
    });
  }
});

suite("while it is written", () => {
  /** What a blob of a segment is answered with. @param index of it */
  type OnSegment = (index: number, count: number, bytes: (index: number) => Buffer, ranged: boolean) => Fault | undefined;
  interface Failing {
    readonly fault?: OnSegment;
    readonly disk?: (b: Place) => void;
    readonly code: string;
    readonly words: RegExp;
    /** Segments that are kept in any case: what is wrong is behind them. */
    readonly kept: number;
  }
  const third =
    (fault: Fault | ((bytes: (index: number) => Buffer) => Fault)): OnSegment =>
    (index, _, bytes) =>
      index < 2 ? undefined : typeof fault === "function" ? fault(bytes) : fault;
  const cases: readonly (readonly [string, Failing])[] = [
    [
      "the line is cut each time",
      { fault: third({ cutAfter: 5000 }), code: "REGISTRY_UNREACHABLE", words: /blob sha256:/, kept: 2 },
    ],
    ["the registry is busy", { fault: third({ status: 503 }), code: "REGISTRY_UNREACHABLE", words: /answers 503/, kept: 2 }],
    [
      "the registry has had enough",
      {
        fault: third({ status: 429, headers: { "retry-after": "3600" } }),
        ...{ code: "REGISTRY_RATE_LIMITED", words: /wait for 3600 s/, kept: 2 },
      },
    ],
    [
      "a byte comes now and then",
      { fault: third({ dripMs: 20 }), code: "REGISTRY_UNREACHABLE", words: /too little came/, kept: 2 },
    ],
    [
      "a segment has other bytes",
      {
        fault: third({ change: (body) => body.with(9, body[9]! ^ 1) as Buffer }),
        ...{ code: "REGISTRY_INVALID", words: /other bytes: their digest is/, kept: 2 },
      },
    ],
    [
      "a segment is cut short there",
      { fault: third({ change: (body) => body.subarray(0, -1) }), code: "REGISTRY_INVALID", words: /bytes and not/, kept: 2 },
    ],
    [
      "a segment is longer than it is said to be",
      {
        fault: third({ change: (body: Buffer) => Buffer.concat([body, body]) }),
        ...{ code: "REGISTRY_INVALID", words: /bytes and not|more than its/, kept: 2 },
      },
    ],
    [
      "segments are swapped",
      { fault: third((bytes) => ({ change: () => bytes(0) })), code: "REGISTRY_INVALID", words: /blob sha256:/, kept: 2 },
    ],
    ["a segment is gone", { fault: third({ status: 404 }), code: "REGISTRY_NOT_FOUND", words: /is not there/, kept: 2 }],
    [
      "the registry says a great deal",
      {
        fault: (index, _, __, ranged) =>
          index < 2
            ? undefined
            : ranged
              ? { status: 206, headers: { "content-range": `bytes ${"x".repeat(12_000)}` }, body: "x" }
              : { cutAfter: 1000 },
        ...{ code: "REGISTRY_INVALID", words: /^.{390,400}$/, kept: 2 },
      },
    ],
    [
      "the disk fails",
      {
        disk: (b) => void (b.broken = 9 * 2 ** 20),
        code: "PLACE_UNWRITABLE",
        words: /cannot be written: EIO: i\/o error/,
        kept: 1,
      },
    ],
  ];
  for (const [name, { fault, disk: break_, code, words, kept }] of cases) {
    test(`${name}: ${code}, and the next try goes on`, async () => {
      await using registry = await faultyRegistry({
        tries: 2,
        ...(name.includes("now and then") ? { stallMs: 1000 } : {}),
      });
      const { packed } = await push(registry.store, wanted, { signedBy: [key] });
      const segments = segmentsOf(registry.registry);
      const blobs = registry.registry.repository("team/os").blobs;
      const bytesAt = (index: number): Buffer => blobs.get(segments[index]!)!;
      let count = 0;
      registry.fail(({ method, url, headers }) => {
        const index = segments.findIndex((digest) => url.endsWith(digest));
        return method === "GET" && index >= 0 ? fault?.(index, count++, bytesAt, headers["range"] !== undefined) : undefined;
      });
      const disk = newDisk();
      break_?.(disk.b);
      const first = await ask(disk, registry);
      const [entry, ...more] = disk.on.state.operations;
      assert.deepEqual(more, []);
      assert.equal(entry!.outcome, "failed");
      assertClear({ ...entry!, message: entry!.reason! }, code, words);
      assert.deepEqual((first.news.at(-1) as { ended: object }).ended, entry);
      assert.match(historyText([entry!]), new RegExp(`reason +.*\\(${code}\\)\n +hint`));
      assertRunningUntouched(disk);
      assert.equal(disk.on.record.slots.b.state, "empty");
      for (let at = 0; at < wanted.bytes.length; at += 4096) {
        const block = disk.b.bytes.subarray(at, at + 4096);
        const isOfImage = block.equals(wanted.bytes.subarray(at, at + 4096));
        assert.ok(isOfImage || block.every((byte) => byte === 0x55), `what is at ${at} is of the image`);
      }

      registry.fail(undefined);
      disk.b.broken = Infinity;
      await ask(disk, registry);
      assertBoots(disk);
      const { operation } = disk.on.state;
      assert.ok(operation?.kind === "upgrade" && operation.downloaded);
      const spared = segments.slice(0, kept).reduce((sum, _, index) => sum + bytesAt(index).length, 0);
      assert.ok(spared > 0 && operation.downloaded.bytes <= packed - spared + 20_000, "what was there is not fetched again");
    });
  }

  test("an agent that is killed goes on by itself where it was, and nobody has to ask", async () => {
    await using registry = await faultyRegistry();
    const { packed } = await push(registry.store, wanted, { signedBy: [key] });
    const disk = newDisk();
    let writes = 0;
    disk.hold = async (signal) => {
      if (++writes < 10) return;
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
    };
    await ask(
      disk,
      registry,
      () => {},
      () => writes >= 10,
    );
    const { operation } = disk.on.state;
    assert.ok(operation?.kind === "upgrade" && operation.at === "writing");
    assertRunningUntouched(disk);
    assert.equal(disk.on.record.slots.b.state, "empty");

    delete disk.hold;
    await bootWith(disk, registry, () => false, {});
    assertBoots(disk);
    const after = disk.on.state.operation;
    assert.ok(
      after?.kind === "upgrade" && after.downloaded && after.downloaded.bytes < packed,
      "what was there is not fetched again",
    );
  });

  test("a disk on which nothing can be remembered stops no upgrade, and whoever looks is told", async () => {
    await using registry = await faultyRegistry();
    await push(registry.store, wanted, { signedBy: [key] });
    const disk = newDisk({ refusesState: true });
    const said: string[][] = [];
    await ask(disk, registry, (machine) => void said.push(machine.said));
    assertBoots(disk);
    assert.ok(said[0]!.some((line) => line.startsWith("alarm: what this machine remembers cannot be stored: no space left")));
  });

  test("keys that cannot be kept, since there is no room, keep the image from becoming active", async () => {
    await using registry = await faultyRegistry();
    const keys = addKey(trusted, newKeyPair().publicKey, sha256);
    await push(registry.store, wanted, { signedBy: [key], facts: { keys } });
    const disk = newDisk();
    await ask(disk, registry, (machine) => {
      Object.assign(machine.trust, {
        keep: async () =>
          await Promise.reject(
            new AppError("TRUST_NOT_STORED", "no space left on device", { hint: "Look at the oem partition." }),
          ),
      });
    });
    const [entry] = disk.on.state.operations;
    assertClear({ ...entry!, message: entry!.reason! }, "TRUST_NOT_STORED", /no space left/);
    assertRunningUntouched(disk);
    assert.equal(disk.on.record.slots.b.state, "empty");
    await ask(disk, registry);
    assertBoots(disk);
    assert.equal(disk.on.trusted!.epoch, keys.epoch);
  });

  test("an image that cannot do what the machine config says does not become active; once the config is another one, nothing is fetched again", async () => {
    await using registry = await faultyRegistry();
    await push(registry.store, wanted, { signedBy: [key] });
    const { digest } = wanted.found;
    const disk = newDisk({ config: { a: old.found.digest }, refusing: [digest] });
    await ask(disk, registry);
    const [entry] = disk.on.state.operations;
    assertClear({ ...entry!, message: entry!.reason! }, "CONFIG_UNSUPPORTED", /cannot do all that the config says/);
    assertRunningUntouched(disk);
    assert.deepEqual([disk.on.record.slots.b.state, disk.on.config], ["empty", { a: old.found.digest }]);

    disk.on.refusing = [];
    await ask(disk, registry);
    assertBoots(disk);
    assert.deepEqual(disk.on.config, { a: old.found.digest, b: digest });
    const { operation } = disk.on.state;
    assert.ok(operation?.kind === "upgrade" && operation.downloaded!.bytes < 20_000, "segments are there already");
  });
});
