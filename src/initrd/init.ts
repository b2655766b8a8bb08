/**
 * The only program of the initrd, where it is PID 1. In the image the same program does what is left to do before the data is mounted:
 * `petrify-early persist`, what is left when it is (`data`), `lay` for a new machine config, `config-sources` tells by its exit code whether one is to be
 * made, `opaque` is for programs that cannot ask for extended attributes, and `console` waits on one where nobody logs in. Without systemd, `sockets` holds
 * those of the API, and becomes its programs by `confine`. `contain` makes a container of a folder, for petrify-debug. `unjudged` restarts a machine whose slot
 * on trial nobody judges.
 */
import * as native from "native";
import * as std from "std";
import { API_PROGRAMS } from "./api-programs.ts";
import { boot, type Known } from "./boot.ts";
import { layData, layFile } from "./config-data.ts";
import { hasConfigWork } from "./config-sources.ts";
import { fail, sentence } from "./failure.ts";
import { confine } from "./confine.ts";
import { contain } from "./contain.ts";
import { openHolder } from "./hold-sockets.ts";
import { ownerConsole } from "./owner-console.ts";
import { persist } from "./persist.ts";
import type { ContainerPlan } from "../layout/container-plan.ts";
import { quickJsCalls } from "./quickjs-calls.ts";
import { quickJsSys } from "./quickjs-sys.ts";
import type { Sys } from "./sys.ts";
import { restartUnjudged } from "./unjudged.ts";

const GETPID = 39;
const USAGE = 64; // sysexits.h

/** What one says is printed; one that says no ends with 1, one that says a number with that. */
const COMMANDS: Readonly<Record<string, (sys: Sys, ...words: string[]) => string | boolean | number | void>> = {
  persist,
  data: layData,
  lay: (sys, ...paths) => JSON.stringify(paths.flatMap((path) => layFile(sys, path))),
  "config-sources": (sys) => hasConfigWork(sys),
  sockets: (sys) => {
    // What it has started ends with it.
    for (const turn = openHolder(sys, quickJsCalls()); ;) turn();
  },
  confine: (sys, name, parent) =>
    confine(
      sys,
      quickJsCalls(),
      API_PROGRAMS.find((one) => one.name === name)!,
      Number(parent),
    ),
  contain: (sys, plan = "") =>
    contain(sys, quickJsCalls(), JSON.parse(sys.readText(plan)) as ContainerPlan, (line) => {
      std.err.puts(`petrify: ${line}\n`);
      std.err.flush();
    }),
  console: (sys) => {
    const say = (text: string): void => {
      std.out.puts(text);
      std.out.flush();
    };
    ownerConsole(sys, { say, line: () => std.in.getline() });
  },
  unjudged: restartUnjudged,
  opaque: (sys, ...paths) => JSON.stringify(paths.filter((path) => sys.isOpaque(path))),
};

function main(): void {
  const sys = quickJsSys();
  const [program, ...words] = scriptArgs;
  if (native.syscall(GETPID) === 1) {
    const known: Known = { reached: {} };
    try {
      boot(sys, known, words);
    } catch (error) {
      fail(sys, known, error);
    }
  }
  const command = COMMANDS[words[0] ?? ""];
  if (!command) {
    std.err.puts(`usage: ${program} ${Object.keys(COMMANDS).join("|")}\n`);
    std.exit(USAGE);
  }
  try {
    const done = command(sys, ...words.slice(1));
    if (typeof done === "string") std.out.puts(`${done}\n`);
    if (done === false) std.exit(1);
    if (typeof done === "number") std.exit(done);
  } catch (error) {
    std.err.puts(`${sentence(error)}\n`);
    std.exit(1);
  }
}

main();
