/** System calls in memory, for tests: they note what is asked for in words, and are answered as a test says. */
import { NUMBERS, type Calls } from "./calls.ts";
import { SysError } from "./sys.ts";

type Value = number | string | ArrayBuffer;
export interface FakeCalls extends Calls {
  /** One line for each: its name and its values, buffers as numbers. */
  readonly done: string[];
  /** By the first words of such a line; else 0. A negative errno is a failure. */
  readonly answers: Map<string, (values: readonly Value[]) => number>;
  /** Statuses of processes that have ended; the first is the one that is waited for next. */
  readonly ends: Map<number, number>;
}

/** Thrown where a real one would not come back. */
export class Replaced extends Error {}

export function fakeCalls(): FakeCalls {
  const names = new Map<number, string>(Object.entries(NUMBERS).map(([name, number]) => [number, name]));
  const done: string[] = [];
  const answers: FakeCalls["answers"] = new Map();
  const ends = new Map<number, number>();
  let next = 100;
  const attempt = (number: number, ...values: Value[]): number => {
    const line = [names.get(number), ...values.map((value) => (value instanceof ArrayBuffer ? "[]" : value))].join(" ");
    done.push(line);
    const [, answer] = [...answers].find(([start]) => line.startsWith(start)) ?? [];
    return answer ? answer(values) : 0;
  };
  return {
    ...{ done, answers, ends, attempt },
    call: (what, number, ...values) => {
      const result = attempt(number, ...values);
      if (result < 0) throw new SysError(what, -result, `errno ${-result}`);
      return result;
    },
    spawn: (argv, input) => {
      done.push(`spawn ${argv.join(" ")} <${input}`);
      return next++;
    },
    endOf: (pid) => ends.get(pid) ?? 0,
    wait: () => {
      const [first] = ends;
      if (first) ends.delete(first[0]);
      return first ?? [-10, 0];
    },
    exec: (argv, environment) => {
      done.push(`exec ${argv.join(" ")}`, ...environment);
      throw new Replaced("exec");
    },
  };
}
