import type { Run } from "../host/run.ts";
import { CommandError } from "../host/run.ts";
import { AppError } from "../core/error.ts";
import { credentialSource, parseDockerConfig, parseHelperAnswer, type Credentials } from "./docker-config.ts";

export interface CredentialContext {
  /** Path of docker's config.json. */
  readonly config: string;
  /** The text of a file, nothing where there is none. @throws NodeJS.ErrnoException */
  readonly read: (path: string) => Promise<string | undefined>;
  readonly run: Run;
  /** For helpers, which look for their stores through it: HOME, PATH, DBUS_SESSION_BUS_ADDRESS … */
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** A helper that asks a person for a password to its store is given the time. */
const HELPER_MS = 120_000;
/** Words of helpers that have nothing for a server. Source: docker/docker-credential-helpers, credentials/error.go */
const NOTHING = /credentials not found|no credentials server url|no credentials username/i;

/**
 * Who somebody is at a registry, as docker knows it; nothing where it does not.
 *
 * A helper gets the server's name on its standard input: what it is asked, and what it answers, is in no list of processes.
 *
 * @throws AppError `CREDENTIALS_INVALID`, `CREDENTIALS_UNAVAILABLE`
 */
export async function dockerCredentials(
  { config, read, run, env, signal }: CredentialContext,
  registry: string,
  repository: string,
): Promise<Credentials | undefined> {
  const text = await read(config);
  if (text === undefined) return undefined;
  const source = credentialSource(parseDockerConfig(text, config), registry, repository, config);
  if (source.from === "nowhere") return undefined;
  if (source.from === "file") return source.credentials;
  const { program, server } = source;
  try {
    const { exitCode, stdout } = await run([program, "get"], {
      stdin: server,
      env,
      okExit: [0, 1],
      timeoutMs: HELPER_MS,
      signal,
    });
    if (exitCode === 0) return parseHelperAnswer(stdout, program);
    if (NOTHING.test(stdout)) return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof CommandError)) throw error;
  }
  // Not what it said: nobody knows what a helper prints.
  throw new AppError("CREDENTIALS_UNAVAILABLE", `${program}, which ${config} names for ${registry}, does not give credentials`, {
    hint: `Try it by hand: echo ${server} | ${program} get; or log in again.`,
  });
}
