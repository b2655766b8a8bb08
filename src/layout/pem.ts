/** @portable Keys as text. Source: RFC 7468. */
import { base64, bytesOfBase64 } from "./base64.ts";

export function encodePem(label: string, bytes: Uint8Array): string {
  const lines = base64(bytes).match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

const BLOCK = /^-----BEGIN ([A-Z0-9 ]{1,64})-----\r?\n([A-Za-z0-9+/=\r\n]{0,65536})\r?\n-----END \1-----\s*$/;

/** The one block that a text is, spaces around it aside; nothing for anything else. */
export function decodePem(text: string): { readonly label: string; readonly bytes: Uint8Array } | undefined {
  const [, label, body] = BLOCK.exec(text.trimStart()) ?? [];
  const bytes = body === undefined ? undefined : bytesOfBase64(body.replaceAll(/[\r\n]/g, ""));
  return label !== undefined && bytes ? { label, bytes } : undefined;
}
