/** @portable Variables by which Node, its libraries or the loader would run something else than what a service is for. */

/** Source: node(1), "Environment variables"; openssl-env(7); ld.so(8) */
export const RUNTIME_VARIABLES = [
  ...["NODE_OPTIONS", "NODE_PATH", "NODE_EXTRA_CA_CERTS", "NODE_REPL_EXTERNAL_MODULE", "NODE_COMPILE_CACHE", "NODE_V8_COVERAGE"],
  ...["NODE_DEBUG", "NODE_TLS_REJECT_UNAUTHORIZED", "NODE_ICU_DATA", "OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES"],
  ...["SSLKEYLOGFILE", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"],
] as const;
