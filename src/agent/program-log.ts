/** Lines of a program for the log of its machine. */

/** Source: sd-daemon(3) */
const LEVEL = { info: 6, error: 3 } as const;

/** @returns writes a line. `LOG_PREFIX` stands before each where nobody else says whose they are: the kernel's log */
export const programLog =
  ({ env, stderr }: Pick<NodeJS.Process, "env" | "stderr">) =>
  (level: keyof typeof LEVEL, line: string): void =>
    void stderr.write(`<${LEVEL[level]}>${env["LOG_PREFIX"] ?? ""}${line}\n`);
