import { AppError } from "../core/error.ts";

/** Why a port is not to be had, for whoever has named it by `--listen`. */
export function cannotListen(address: string, port: number, cause: NodeJS.ErrnoException): AppError {
  const where = `${address} port ${port}`;
  if (cause.code === "EADDRINUSE") {
    return new AppError("PORT_IN_USE", `something else listens on ${where}`, {
      hint: "Choose another port: --listen ADDRESS:PORT.",
      cause,
    });
  }
  const why = { EACCES: "ports below 1024 take root", EADDRNOTAVAIL: "no interface has that address" }[cause.code ?? ""];
  return new AppError("LISTEN_FAILED", `cannot listen on ${where}: ${why ?? cause.message}`, { cause });
}
