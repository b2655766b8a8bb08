/** A whole image out of a registry: `petrify pull` beside curl, which takes the same bytes from there and does nothing with them. */
import { basename, join } from "node:path";
import { fileSize, listFolder, makeFolder, readText, removeFolder, writeText } from "../src/host/files.ts";
import { sha256 } from "../src/host/sha256.ts";
import type { Tools } from "../src/host/tools.ts";
import { hex } from "../src/core/digest.ts";
import { AppError } from "../src/core/error.ts";
import type { Bytes } from "../src/core/units.ts";
import { openRelease, readSegments } from "../src/registry/open-release.ts";
import { storeFor } from "../src/registry/open-store.ts";
import { parseReference } from "../src/registry/reference.ts";
import { ARCHITECTURE } from "../src/release/manifest.ts";
import { packedSegments } from "../src/release/segments.ts";
import { dockerRegistry, selfSigned } from "../tests/support/docker-registry.ts";
import { networkNamespace, withoutNamespaces } from "../tests/support/namespace.ts";
import { testTools } from "../tests/support/tools.ts";
import type { BenchContext } from "./context.ts";
import { isImage, parseTime, programOf, together, type Cost } from "./delta-lab.ts";
import { petrifyBuilder } from "./petrify.ts";
import type { Comparison, Report } from "./report.ts";

/** As people start it. */
const PETRIFY = join(import.meta.dirname, "../petrify");
const [REPOSITORY, TAG] = ["os", "bench"] as const;
/** 0.8 of curl's speed, as time. */
const GOAL = { ratio: 1 / 0.8 } as const;
/** As tc(8) has them. */
const LIMITED = { "1 Gbit/s": "1gbit", "100 Mbit/s": "100mbit" } as const;
const PEERS = {
  blobs: "curl, the same blobs",
  one: "curl, one blob of the same size",
  work: "curl, zstd -d, sha256sum",
} as const;

/** What a registry has of the image, and how it is reached. */
interface Line {
  readonly title: string;
  readonly host: string;
  /** In front of every command; nothing for this machine's own network. */
  readonly prefix: readonly string[];
  /** File with the authority of its certificate; nothing for plain HTTP. */
  readonly ca?: string;
}
interface Stored {
  readonly blobs: readonly Blob[];
  readonly one: Blob;
}
interface Blob {
  readonly digest: string;
  readonly size: Bytes;
}
type Costs = Record<"petrify" | keyof typeof PEERS, Cost[]>;

/** @param given a system image in place of one that is built for this */
export async function measurePulls(
  runs: number,
  given: string | undefined,
  context: BenchContext,
): Promise<Pick<Report, "comparisons" | "sizes" | "notes">> {
  const { progress, run } = context;
  const folder = join(context.folder, "pull");
  await makeFolder(folder);
  const image = given ?? (await builtImage(context));
  const [judges, peers] = [await testTools("registries"), await context.peerTools("deltas")];
  const tls = await selfSigned(judges, folder);
  const all: Costs[] = [];
  const comparisons: Comparison[] = [];
  const measure = async (line: Line, stored: Stored): Promise<void> => {
    const costs: Costs = { petrify: [], blobs: [], one: [], work: [] };
    const sides = await sidesOf(line, stored, { image, folder, peers, context });
    for (let i = 0; i < runs; i++) {
      for (const [name, side] of turned(Object.entries(sides), i))
        costs[name as keyof Costs].push(await progress.step(`${line.title} ${i + 1}/${runs}: ${name}`, side));
    }
    all.push(costs);
    for (const [name, peer] of Object.entries(PEERS) as [keyof typeof PEERS, string][]) {
      if (costs[name].length === 0) continue;
      const [ours, theirs] = [costs.petrify, costs[name]].map((list) => list.map(({ seconds }) => seconds)) as [
        number[],
        number[],
      ];
      comparisons.push({ title: `a whole pull, ${line.title}`, peer, ours, theirs, ...(name === "work" ? {} : { goal: GOAL }) });
    }
  };

  const stored = await (async () => {
    await using registry = await dockerRegistry(judges, folder);
    const { host } = registry;
    const pushed = await progress.step("push the image", async () => await storedIn(host, image, context));
    await measure({ title: "loopback", host, prefix: [] }, pushed);
    return pushed;
  })();
  {
    await using registry = await dockerRegistry(judges, folder, { tls });
    await measure({ title: "loopback, TLS", host: registry.host, prefix: [], ca: tls.certificate }, stored);
  }
  const none = await withoutNamespaces();
  if (none === false) {
    await using network = await networkNamespace();
    const { prefix } = network;
    await using registry = await dockerRegistry(judges, folder, { prefix });
    for (const [title, rate] of Object.entries(LIMITED)) {
      await run([
        ...prefix,
        "tc",
        "qdisc",
        "replace",
        "dev",
        "lo",
        "root",
        "tbf",
        "rate",
        rate,
        "burst",
        "1mb",
        "latency",
        "50ms",
      ]);
      await measure({ title: `a line of ${title}`, host: registry.host, prefix }, stored);
    }
  }
  const most = (name: keyof Costs): Bytes => Math.max(...all.flatMap((costs) => costs[name].map(({ memory }) => memory)));
  const version = (await run(["curl", "--version"])).stdout.split(" ", 2).join(" ");
  return {
    comparisons,
    sizes: [
      { title: "most memory of the process", sizes: { petrify: most("petrify"), curl: Math.max(most("blobs"), most("one")) } },
      { title: "downloaded: packed segments", sizes: { petrify: stored.one.size, curl: stored.one.size } },
      { title: "what comes of it", sizes: { petrify: await fileSize(image) } },
    ],
    notes: [
      `${basename(image)}, ${stored.blobs.length} blobs; ${version}; Debian's docker-registry on the same machine.`,
      ...(none === false ? [] : [`No limited lines: ${none}.`]),
    ],
  };
}

async function builtImage(context: BenchContext): Promise<string> {
  const builder = await petrifyBuilder("image", context, { folderName: "petrify-pull" });
  await context.progress.step("build petrify's image", async () => await builder.prepare());
  return builder.image;
}

/** Nobody is always the first. */
const turned = <T>(list: readonly T[], by: number): T[] => list.map((_, index) => list[(index + by) % list.length]!);

/** The image as a release, and all of its packed segments as one blob. What an earlier run has stored of the same image is not made again. */
async function storedIn(host: string, image: string, { run, signal, folder }: BenchContext): Promise<Stored> {
  const name = `http://${host}/${REPOSITORY}:${TAG}`;
  await run([PETRIFY, "push", image, name, "--no-container", "--no-sbom"], { signal, env: cacheIn(folder) });
  const settings = { environment: {}, run, random: Math.random, now: () => performance.now() };
  using opened = await storeFor(parseReference(name), settings);
  const { store } = opened;
  const found = await openRelease(store, TAG, { architecture: ARCHITECTURE, signal });
  const blobs = packedSegments(await readSegments(store, found, { signal }));
  const parts: Uint8Array[] = [];
  for (const blob of blobs) parts.push(...(await Array.fromAsync(store.getBlob(blob, { signal }))));
  const whole = Buffer.concat(parts);
  const one = { digest: `sha256:${hex(sha256.digest(whole))}`, size: whole.length };
  await store.putBlob(one, async function* (from) {
    yield whole.subarray(from);
  });
  return { blobs, one };
}

/** For what Node made of petrify's sources: kept from the first start on, as it is on any machine. Source: ../petrify */
const cacheIn = (folder: string) => ({ XDG_CACHE_HOME: join(folder, "pull/cache") });

interface Place {
  readonly image: string;
  readonly folder: string;
  readonly peers: Tools;
  readonly context: BenchContext;
}

/** Each does its work once. Only the first line has the peer that unpacks: of slower ones it would say the same. */
async function sidesOf({ title, host, prefix, ca }: Line, { blobs, one }: Stored, place: Place) {
  const { image, folder, peers, context } = place;
  const at = (name: string): string => join(folder, name);
  const cost = async (argv: readonly string[]): Promise<Cost> => {
    const time = [...programOf(peers, "time"), "--quiet", "--format=%e %M %O", `--output=${at("time")}`, "--"];
    const since = performance.now();
    const options = { signal: context.signal, env: cacheIn(context.folder) };
    await context.run([...prefix, ...time, ...argv] as [string, ...string[]], options);
    const seconds = (performance.now() - since) / 1000; // time(1) counts hundredths
    return { ...parseTime(await readText(at("time"))), seconds };
  };
  const scheme = ca === undefined ? "http" : "https";
  const config = async (name: string, list: readonly Blob[]): Promise<string> => {
    const lines = list.map(
      ({ digest }, index) =>
        `url = "${scheme}://${host}/v2/${REPOSITORY}/blobs/${digest}"\noutput = "${at("came")}/${index}.zst"\n`,
    );
    await writeText(at(name), `silent\nshow-error\nfail\n${ca === undefined ? "" : `cacert = "${ca}"\n`}${lines.join("")}`);
    return at(name);
  };
  const download = async (list: string): Promise<Cost> => {
    await removeFolder(at("came"));
    await makeFolder(at("came"));
    const came = await cost(["curl", "--config", list]);
    const sizes = await Promise.all((await listFolder(at("came"))).map(async (name) => await fileSize(at(`came/${name}`))));
    if (sizes.reduce((sum, size) => sum + size, 0) !== one.size) throw new AppError("UPDATE_WRONG", "curl has other bytes");
    return came;
  };
  const [several, single] = [await config("blobs.curl", blobs), await config("one.curl", [one])];
  const reference = `${ca === undefined ? "http://" : ""}${host}/${REPOSITORY}:${TAG}`;
  return {
    petrify: async () => {
      const pulled = await cost([PETRIFY, "pull", reference, "-o", at("pulled.img"), ...(ca === undefined ? [] : ["--ca", ca])]);
      await isImage(at("pulled.img"), image, "petrify");
      return pulled;
    },
    blobs: async () => await download(several),
    one: async () => await download(single),
    ...(title === "loopback"
      ? {
          work: async () => {
            const came = await download(several);
            const files = blobs.map((_, index) => at(`came/${index}.zst`));
            await makeFolder(at("came/unpacked"));
            const unpack = ["--decompress", "--quiet", "--force", "--output-dir-flat", at("came/unpacked")];
            const unpacked = await cost([...programOf(peers, "zstd"), ...unpack, ...files]);
            const sums = await cost([...programOf(peers, "sha256sum"), ...blobs.map((_, index) => at(`came/unpacked/${index}`))]);
            return together(came, unpacked, sums);
          },
        }
      : {}),
  };
}
