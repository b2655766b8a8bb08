/** @portable Which machines a client talks to. Pure. docs/concepts/pki.md */
import { AppError } from "../core/error.ts";

/** What OpenSSL says of a certificate whose time is not now; everything else about it may be right. */
const TIMES: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet: its clock or this one's is wrong",
};

/** @param shown fingerprint of the key that somebody has shown @throws AppError `NODE_KEY_DIFFERS` */
export function judgeKey(node: string, shown: string, expected: string): void {
  if (shown === expected) return;
  throw new AppError("NODE_KEY_DIFFERS", `what answers as ${node} has another key than ${node}: ${shown}`, {
    hint: `If the machine was installed anew, compare that with its console (petrify status), then: petrify context pin ${node} --key ${shown}`,
  });
}

/**
 * A machine whose key was pinned is the one with that key, whatever its certificate says; any other needs a certificate of an authority for the name that
 * it is called by.
 *
 * @param doubt why no authority vouches for it
 * @returns a warning, the end of a sentence
 * @throws AppError `NODE_KEY_DIFFERS`, `NODE_UNKNOWN`
 */
export function judgeMachine(
  node: string,
  { fingerprint, doubt }: { readonly fingerprint: string; readonly doubt: string | undefined },
  pinned: string | undefined,
): string | undefined {
  if (pinned === fingerprint) return doubt === undefined ? undefined : TIMES[doubt];
  if (pinned !== undefined) judgeKey(node, fingerprint, pinned);
  if (doubt === undefined) return undefined;
  const why = TIMES[doubt] ?? "no authority of this context vouches for it";
  throw new AppError("NODE_UNKNOWN", `nobody knows whether ${node} is who answers: ${why}`, {
    hint: `If its console (petrify status) shows the key ${fingerprint}: petrify context pin ${node} --key ${fingerprint}`,
  });
}
