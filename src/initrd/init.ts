/** The initrd's only program: PID 1 there. In the image the same program does what has to be done before and after the data is mounted. */
import * as native from "native";
import * as std from "std";
import { boot, type Known } from "./boot.ts";
import { fail } from "./failure.ts";
import { quickJsSys } from "./quickjs-sys.ts";

const GETPID = 39;

const sys = quickJsSys();
if (native.syscall(GETPID) === 1) {
  const known: Known = { reached: {} };
  try {
    boot(sys, known, scriptArgs.slice(1));
  } catch (error) {
    fail(sys, known, error);
  }
} else {
  std.err.puts(`${scriptArgs[0]}: runs as PID 1 of an initrd\n`);
  std.exit(64);
}
