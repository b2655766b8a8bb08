/** @portable An entry as the journal takes it, with fields of its own. Pure. Source: systemd, "Native Journal Protocol" */

const NAME = /^[A-Z][A-Z0-9_]{0,63}$/;

/**
 * A value with an end of a line goes with its length, so that none can be taken for another field.
 *
 * @param fields by name: capital letters, digits and underscores
 */
export function journalMessage(fields: ReadonlyMap<string, string>): Uint8Array {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  for (const [name, value] of fields) {
    if (!NAME.test(name)) throw new Error(`${name} is no name of a field of the journal`);
    const bytes = encoder.encode(value);
    if (!value.includes("\n")) parts.push(encoder.encode(`${name}=`), bytes);
    else {
      const length = new Uint8Array(8);
      new DataView(length.buffer).setBigUint64(0, BigInt(bytes.length), true);
      parts.push(encoder.encode(`${name}\n`), length, bytes);
    }
    parts.push(Uint8Array.of(0x0a));
  }
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
