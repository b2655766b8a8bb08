/** @portable What an owner tells a machine about whom to let in, to be signed by an authority. Pure. docs/formats/trust-statement.md */

export interface TrustStatement {
  /** When it was made, in seconds since 1970: a machine takes none that is older than the last one. */
  readonly made: number;
  /** Certificates of the authorities that are accepted: PEM, one or more. */
  readonly authorities: string;
  /** Callers' certificates of an epoch before it are revoked. */
  readonly epoch: number;
  /** A digest of the token that brings the machine another owner; absent where that stays as it is. */
  readonly recovery?: string;
}

/** Nothing else that an authority's key signs begins like this: a certificate begins with a byte of 0x30. */
const HEAD = "petrify trust 1\n";

/** The text that is signed. */
export const encodeTrustStatement = ({ made, authorities, epoch, recovery }: TrustStatement): string =>
  `${HEAD}${JSON.stringify({ made, authorities, epoch, ...(recovery === undefined ? {} : { recovery }) })}\n`;

/** Nothing unless it is one of this form, down to the last byte. */
export function decodeTrustStatement(text: string): TrustStatement | undefined {
  if (!text.startsWith(HEAD)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text.slice(HEAD.length));
  } catch {
    return undefined;
  }
  const { made, authorities, epoch, recovery } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof authorities !== "string" || !isCount(made) || !isCount(epoch)) return undefined;
  if (recovery !== undefined && (typeof recovery !== "string" || recovery === "")) return undefined;
  const statement = { made, authorities, epoch, ...(recovery === undefined ? {} : { recovery }) };
  return encodeTrustStatement(statement) === text ? statement : undefined;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
