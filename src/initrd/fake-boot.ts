/** One boot of a machine in memory, as init.ts does it. */
import { boot, type Known } from "./boot.ts";
import { fail } from "./failure.ts";
import { Gone, type FakeSys } from "./fake-sys.ts";

/** Until process 1 is another program, or the machine restarts. @param words what the kernel passes to init besides the program's name */
export function run(sys: FakeSys, words: readonly string[] = []): void {
  const known: Known = { reached: {} };
  try {
    boot(sys, known, words);
  } catch (error) {
    if (error instanceof Gone) return;
    try {
      fail(sys, known, error);
    } catch (end) {
      if (!(end instanceof Gone)) throw end;
    }
  }
}

/** What the console says that went wrong. */
export const errors = (sys: FakeSys): string[] =>
  sys.done.filter((line) => line.startsWith("error: ")).map((line) => line.slice(7));
