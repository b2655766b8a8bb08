import { X509Certificate } from "node:crypto";

const BLOCKS = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Every certificate in a text (PEM), in order; nothing unless all of them can be read. */
export function certificatesIn(text: string): X509Certificate[] {
  try {
    return (text.match(BLOCKS) ?? []).map((block) => new X509Certificate(block));
  } catch {
    return [];
  }
}

/** @param der of one certificate @returns PEM */
export const certificateText = (der: Uint8Array): string => new X509Certificate(der).toString();
