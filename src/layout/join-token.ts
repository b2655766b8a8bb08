/** @portable What makes a machine one of an authority's without anybody's being there, as it stands in a machine config. Pure. docs/concepts/pki.md */

export interface JoinToken {
  /** Which one: 8 hexadecimal digits. No secret. */
  readonly id: string;
  /** 192 random bits, base64url. */
  readonly secret: string;
  /** Of the authority's key, `SHA256:…`: what a machine knows the authority by that it has never seen. */
  readonly authority: string;
}

export const JOIN_TOKEN = /^([0-9a-f]{8})\.([A-Za-z0-9_-]{32})\.([A-Za-z0-9_-]{43})$/;
const PREFIX = "SHA256:";

/** One word, so that it can be copied by a double click. */
export const formatJoinToken = ({ id, secret, authority }: JoinToken): string =>
  `${id}.${secret}.${authority.slice(PREFIX.length).replaceAll("+", "-").replaceAll("/", "_")}`;

/** Nothing for anything else. */
export function parseJoinToken(text: string): JoinToken | undefined {
  const [, id, secret, fingerprint] = JOIN_TOKEN.exec(text) ?? [];
  if (id === undefined || secret === undefined || fingerprint === undefined) return undefined;
  return { id, secret, authority: PREFIX + fingerprint.replaceAll("-", "+").replaceAll("_", "/") };
}
