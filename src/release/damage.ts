/** @portable What is wrong with a system image. */

/** A finding, to be stored and shown. */
export interface Damage {
  /** Where: a partition of the image, the manifest in the boot partition, or the partition table. */
  readonly part: "boot" | "root" | "root-verity" | "manifest" | "table";
  /** One sentence, without a full stop. */
  readonly what: string;
  /** As dm-verity counts and the kernel's log names them: of `root` the data block, of `root-verity` the hash block from the start of the partition. */
  readonly block?: number;
}

/** How the checks end at the first damage; {@link verifyImage} returns what it carries. */
export class DamageFound extends Error {
  readonly damage: Damage;

  constructor(part: Damage["part"], what: string, options: { readonly block?: number; readonly cause?: unknown } = {}) {
    super(what, { cause: options.cause });
    this.damage = { part, what, ...(options.block === undefined ? {} : { block: options.block }) };
  }
}
