/**
 * What archives of strangers cost: reads one with nearly a million entries, then damages others for as many seconds as are given (default 60).
 * Prints the figures of docs/concepts/bases.md.
 *
 * scripts/node scripts/fuzz-archives.ts [SECONDS] [SEED]
 */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { archiveOfFile } from "../src/build/bases/archive.ts";
import { judgeLayers } from "../src/build/bases/merge.ts";
import { writeStream } from "../src/host/stream-file.ts";
import { fuzzArchives } from "../tests/support/archive-fuzz.ts";
import { END, file, header } from "../tests/support/tar.ts";

const [seconds = "60", seed = "1"] = process.argv.slice(2);
const ENTRIES = 990_000;
const work = await mkdtemp(join(tmpdir(), "petrify-fuzz-"));
try {
  await readMany(join(work, "many.tar"));
  const end = performance.now() + 1000 * Number(seconds);
  const { tried, read, refused } = await fuzzArchives(Number(seed), work, () => performance.now() > end);
  process.stdout.write(`seed ${seed}: ${tried} archives in ${seconds} s: ${read} read, ${refused} refused, 0 failures\n`);
} finally {
  await rm(work, { recursive: true });
}

async function readMany(path: string): Promise<void> {
  await writeStream(
    path,
    (async function* () {
      for (let at = 0; at < ENTRIES; at += 1000) {
        const names = Array.from({ length: 1000 }, (_, i) => `usr/share/some-package-${at}/file-number-${i}`);
        yield Buffer.concat(names.map((name) => header(file(name))));
      }
      yield END;
    })(),
  );
  const archive = archiveOfFile("many.tar", path, { size: (await stat(path)).size }, undefined);
  const [memory, started] = [process.memoryUsage.rss(), process.cpuUsage()];
  let most = memory;
  const judged = await judgeLayers([archive], { whiteouts: true });
  for await (const _ of judged.tar()) most = Math.max(most, process.memoryUsage.rss());
  const { user, system } = process.cpuUsage(started);
  process.stdout.write(
    `${ENTRIES} entries: ${((user + system) / 1e6).toFixed(1)} s of a processor, ${Math.round((most - memory) / 1024 ** 2)} MiB more than before\n`,
  );
}
