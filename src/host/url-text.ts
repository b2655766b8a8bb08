import { createHash } from "node:crypto";

/** A URL as it may be shown and stored in logs: without user and password, its query as a digest. */
export function withoutSecrets(url: string): string {
  const parsed = URL.parse(url);
  if (!parsed) return url;
  const query = parsed.search ? `?${createHash("sha256").update(parsed.search).digest("hex").slice(0, 8)}` : "";
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}${query}`;
}
