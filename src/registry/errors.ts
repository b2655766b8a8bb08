import { AppError, type AppErrorOptions } from "../core/error.ts";

/** Everything that a store of images can answer with but what was asked for. */
export type StoreErrorCode =
  /** Nobody answers, or only with failures that pass; every try is used up. */
  | "REGISTRY_UNREACHABLE"
  /** Its certificate is not one that is trusted. */
  | "REGISTRY_UNTRUSTED"
  | "REGISTRY_DENIED"
  | "REGISTRY_NOT_FOUND"
  | "REGISTRY_RATE_LIMITED"
  /** It will not take what it is sent. */
  | "REGISTRY_REFUSED"
  /** What it answers is not what was asked for, or makes no sense: a wrong digest, another size, a document that is none. */
  | "REGISTRY_INVALID";

export class StoreError extends AppError<StoreErrorCode> {
  override readonly name = "StoreError";
  /** Of the answer that it comes from, where there was one. */
  readonly status: number | undefined;
  /** Whether it came from mirrors, which are left out from then on: asked again, somebody else answers. */
  readonly ofMirror: boolean;
  constructor(
    code: StoreErrorCode,
    message: string,
    options: AppErrorOptions & { readonly status?: number; readonly ofMirror?: boolean } = {},
  ) {
    super(code, message, options);
    this.status = options.status;
    this.ofMirror = options.ofMirror ?? false;
  }
}

/** @param origin what was asked, e.g. `registry.example/team/os`; it comes first */
export const storeError = (code: StoreErrorCode, origin: string, what: string, hint?: string, cause?: unknown): StoreError =>
  new StoreError(code, `${origin}: ${what}`, { ...(hint === undefined ? {} : { hint }), cause });

/** @param what a sentence */
export const invalidAnswer = (origin: string, what: string, cause?: unknown): StoreError =>
  storeError(
    "REGISTRY_INVALID",
    origin,
    what,
    "Nothing of it was used. Try again; if it stays so, push the image again, or ask whoever runs the registry.",
    cause,
  );

/** Source: openssl-verify(1ssl), as Node names them; Node.js, "TLS (SSL)", "X509 certificate error codes" */
const UNTRUSTED = new Set([
  ...["UNABLE_TO_GET_ISSUER_CERT", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "CERT_UNTRUSTED"],
  ...[
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "CERT_REVOKED",
    "INVALID_CA",
    "CERT_REJECTED",
    "INVALID_PURPOSE",
  ],
  ...[
    "CERT_SIGNATURE_FAILURE",
    "CERT_CHAIN_TOO_LONG",
    "PATH_LENGTH_EXCEEDED",
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "HOSTNAME_MISMATCH",
  ],
]);
const WRONG_TIME = new Set(["CERT_NOT_YET_VALID", "CERT_HAS_EXPIRED"]);
const NO_TLS = new Set(["ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_PACKET_LENGTH_TOO_LONG", "EPROTO"]);

/** What a connection that failed means; nothing where another one may not. */
export function lastingFailure(origin: string, error: unknown): StoreError | undefined {
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (WRONG_TIME.has(code)) {
    const when = code === "CERT_HAS_EXPIRED" ? "has expired" : "is not valid yet";
    return storeError(
      "REGISTRY_UNTRUSTED",
      origin,
      `its certificate ${when}`,
      "Check the clock of this machine first, then the registry's certificate.",
      error,
    );
  }
  if (UNTRUSTED.has(code)) {
    return storeError(
      "REGISTRY_UNTRUSTED",
      origin,
      `its certificate is not trusted: ${message}`,
      "Name the file with the certificate of its authority.",
      error,
    );
  }
  if (NO_TLS.has(code) || code.startsWith("ERR_SSL_")) {
    return storeError(
      "REGISTRY_UNREACHABLE",
      origin,
      "does not speak TLS there",
      "If it has plain HTTP only, write http:// in front of its name.",
      error,
    );
  }
  if (code === "ENOTFOUND") {
    return storeError(
      "REGISTRY_UNREACHABLE",
      origin,
      "its name is not known",
      "Check the name, and the name server of this machine.",
      error,
    );
  }
  return undefined;
}

/** `fetch` and connections to several addresses say why only below. */
export function whyNot(error: unknown): string {
  const { message, code, errors } = error as NodeJS.ErrnoException & { readonly errors?: readonly Error[] };
  return errors?.[0]?.message ?? (message || code || String(error));
}
