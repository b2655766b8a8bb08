import { PassThrough } from "node:stream";
import { scriptedRun, type Run } from "../host/run.ts";
import { runNodeCli } from "./node-program.ts";
import type { Ran } from "./testing.ts";

/** Test double of the node's edge: runs one command line in `root` and returns what it wrote. @param typed what a terminal answers; default: none is there @param piped the input, where that is no terminal */
export async function runOnNode(
  root: string,
  args: readonly string[],
  {
    run = scriptedRun({}).run,
    typed,
    piped,
    out: write,
    signal = new AbortController().signal,
  }: { run?: Run; typed?: string; piped?: string; out?: (text: string) => void; signal?: AbortSignal } = {},
): Promise<Ran> {
  let out = "";
  let err = "";
  const input = Object.assign(new PassThrough(), { isTTY: typed !== undefined, setRawMode: () => {} });
  input.end(typed ?? piped);
  const exitCode = await runNodeCli(
    {
      ...{ run, root, cwd: "/etc", input: input as unknown as NodeJS.ReadStream },
      sinks: {
        out: write ?? ((text) => void (out += text)),
        err: (text) => void (err += text),
        columns: () => 0,
      },
      signal,
      clock: () => 0,
    },
    args,
    "1.2.3",
  );
  return { exitCode, out, err };
}
