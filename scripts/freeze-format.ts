/**
 * `node scripts/freeze-format.ts N`: keeps the sources of this commit as tests/frozen/format-N.tar.gz, so that machines of that format can be built as long as
 * there are tests. Once a format is frozen it stays as it is.
 */
import { join } from "node:path";
import { fileExists } from "../src/host/files.ts";
import { run } from "../src/host/run.ts";
import { FROZEN_PARTS, frozenArchive } from "../tests/vm/harness/frozen.ts";

const format = Number(process.argv[2]);
if (!Number.isInteger(format) || format < 1) {
  process.stderr.write("error: which format?\nhint: node scripts/freeze-format.ts 1\n");
  process.exit(2);
}
const path = frozenArchive(format);
if (await fileExists(path)) {
  process.stderr.write(`error: format ${format} is frozen already\nhint: It is ${path}. A later format gets the next number.\n`);
  process.exit(1);
}
await run([
  "git",
  "-C",
  join(import.meta.dirname, ".."),
  "archive",
  "--format=tar.gz",
  `--output=${path}`,
  "HEAD",
  ...FROZEN_PARTS,
]);
process.stdout.write(`${path}\n`);
