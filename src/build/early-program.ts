import { join } from "node:path";
import { bundle } from "../host/bundle.ts";
import { copyFile, fileExists, makeFolder, writeText } from "../host/files.ts";
import type { Tools } from "../host/tools.ts";

const SOURCES = join(import.meta.dirname, "../initrd");
/** Modules that the program brings itself. */
const BUILT_IN = ["std", "os", "native"];
const QUICKJS = "/usr/lib/x86_64-linux-gnu/quickjs";

/**
 * Early boot as one static program: src/initrd compiled to QuickJS's byte code, its engine, and the native module.
 *
 * It needs no library and no loader, so it runs in an empty initrd and in an image of any distribution.
 *
 * @param work an existing folder for intermediate files
 * @returns path of the program, in `work`; a second call finds the first one's
 */
export async function earlyProgram(tools: Tools, work: string, signal?: AbortSignal): Promise<string> {
  const folder = join(work, "early");
  const program = join(folder, "init");
  if (await fileExists(program)) return program; // the initrd and the image hold the same
  await makeFolder(folder);
  await writeText(join(folder, "init.js"), await bundle(join(SOURCES, "init.ts"), BUILT_IN));
  await copyFile(join(SOURCES, "native.c"), join(folder, "native.c"));
  // Names are relative: they end up in the byte code.
  const options = { binds: [{ source: folder, writable: true }], cwd: folder, signal };
  await tools.run(["qjsc", "-e", "-m", "-M", "native,native", "-o", "main.c", "init.js"], options);
  const sources = ["main.c", "native.c"];
  const libraries = [`-L${QUICKJS}`, "-lquickjs", "-lm", "-ldl", "-lpthread"];
  const flags = ["-static", "-O2", "-s", "-Wall", "-I/usr/include/quickjs"];
  await tools.run(["gcc", ...flags, "-o", "init", ...sources, ...libraries], options);
  return program;
}
