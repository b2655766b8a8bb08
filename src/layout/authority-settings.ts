/** @portable What a machine is told about who signs for its authority. Format: docs/formats/join-tokens.md */

export interface AuthoritySettings {
  /** `HOST` or `HOST:PORT`. */
  readonly authority: string;
  /** A join token. Secret. */
  readonly join?: string;
}

export const encodeAuthoritySettings = ({ authority, join }: AuthoritySettings): string =>
  `${JSON.stringify({ authority, ...(join === undefined ? {} : { join }) })}\n`;

/** Nothing for anything else. */
export function decodeAuthoritySettings(text: string): AuthoritySettings | undefined {
  try {
    const { authority, join } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    if (typeof authority !== "string" || (join !== undefined && typeof join !== "string")) return undefined;
    return { authority, ...(join === undefined ? {} : { join }) };
  } catch {
    return undefined;
  }
}
