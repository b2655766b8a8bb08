/** Where the password of a signing key comes from: never from a command line, which every process of the machine can read. */
import { read } from "node:fs";
import { promisify } from "node:util";
import { AppError } from "../core/error.ts";

export interface PasswordSources {
  /** A descriptor that was opened for it: `3<password.txt`. */
  readonly fd: number | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Asks a person, without showing what is typed; nothing where there is nobody. */
  readonly ask: ((question: string) => Promise<string | undefined>) | undefined;
}
/** The second one is cosign's. */
const VARIABLES = ["PETRIFY_KEY_PASSWORD", "COSIGN_PASSWORD"] as const;
/** Bytes. */
const LONGEST = 4096;

/**
 * The first source there is: descriptor, environment, person. An empty password is one.
 *
 * @throws AppError `KEY_PASSWORD_NEEDED`
 */
export async function keyPassword({ fd, env, ask }: PasswordSources, question: string): Promise<string> {
  if (fd !== undefined) return await firstLine(fd);
  const variable = VARIABLES.map((name) => env[name]).find((value) => value !== undefined);
  const password = variable ?? (await ask?.(question));
  if (password !== undefined) return password;
  throw new AppError("KEY_PASSWORD_NEEDED", "the key has a password, and nobody has said it", {
    hint: `Set ${VARIABLES[0]}, or give a descriptor: --password-fd 3 3<FILE.`,
  });
}

async function firstLine(fd: number): Promise<string> {
  const buffer = Buffer.alloc(LONGEST + 2);
  let length = 0;
  try {
    while (length < buffer.length && !buffer.subarray(0, length).includes(0x0a)) {
      const { bytesRead } = await promisify(read)(fd, buffer, length, buffer.length - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
  } catch (cause) {
    throw new AppError("KEY_PASSWORD_NEEDED", `no password can be read from the descriptor ${fd}`, {
      hint: "Open it for reading: --password-fd 3 3<FILE.",
      cause,
    });
  }
  const [line] = buffer.toString("utf8", 0, length).split(/\r?\n/, 1) as [string];
  if (Buffer.byteLength(line) <= LONGEST) return line;
  throw new AppError("KEY_PASSWORD_NEEDED", `the descriptor ${fd} gives no line of up to ${LONGEST} bytes`, {
    hint: "Write the password into the first line.",
  });
}
