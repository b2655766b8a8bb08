/** Programs that systemd starts when somebody calls. */
import { AppError } from "../core/error.ts";

/** The first of the sockets that are handed over. Source: sd_listen_fds(3) */
const LISTEN_FD = 3;

/** @returns the descriptor of the one socket that a program is handed @throws AppError `NO_SOCKET` */
export function handedSocket(
  { pid, env }: { readonly pid: number; readonly env: Readonly<Record<string, string | undefined>> },
  program: string,
): number {
  if (env["LISTEN_PID"] === String(pid) && env["LISTEN_FDS"] === "1") return LISTEN_FD;
  throw new AppError("NO_SOCKET", `${program} was handed no socket to listen on`, { hint: `Start ${program}.socket.` });
}
