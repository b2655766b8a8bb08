/** @portable Where somebody is reached. Pure. */
import { AppError } from "../core/error.ts";
import { API_PORT } from "../layout/api-places.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * `HOST`, `HOST:PORT`, `192.0.2.7`, `[fd00::7]:50000`, `fd00::7`.
 *
 * @param otherwise the port where none is said
 * @throws AppError `ADDRESS_INVALID`
 */
export function parseAddress(text: string, otherwise = API_PORT): Address {
  const [, v6, bare6, host, digits] =
    /^(?:\[([0-9a-f:.]{2,45})\]|([0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*)|([a-z0-9][a-z0-9._-]{0,252}))(?::(\d{1,5}))?$/i.exec(text) ??
    [];
  const found = v6 ?? bare6 ?? host;
  const port = digits === undefined ? otherwise : Number(digits);
  if (found !== undefined && port > 0 && port < 65_536) return { host: found, port };
  throw new AppError("ADDRESS_INVALID", `${JSON.stringify(text)} is no address of a machine`, {
    hint: `Write HOST or HOST:PORT, e.g. edge-7.example:${otherwise} or [fd00::7]:${otherwise}.`,
  });
}
