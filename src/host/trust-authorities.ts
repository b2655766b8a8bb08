/** Authorities that a machine trusts besides the public ones, for every connection of this process. */
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { AppError } from "../core/error.ts";
import { fileExists, readText } from "./files.ts";

/**
 * From now on; nothing where there is no such file.
 *
 * @param path of certificates, PEM
 * @throws AppError `CA_INVALID`
 */
export async function trustAuthorities(path: string): Promise<void> {
  if (!(await fileExists(path))) return;
  try {
    const text = await readText(path);
    setDefaultCACertificates([
      ...getCACertificates("default"),
      ...(text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []),
    ]);
  } catch (cause) {
    throw new AppError("CA_INVALID", `${path} cannot be used: ${(cause as Error).message}`, {
      hint: "See ca_certs of the machine config.",
      cause,
    });
  }
}
