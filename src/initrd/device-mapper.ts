/** @portable Device-mapper's ioctls, as far as a dm-verity device needs them. Source: linux/dm-ioctl.h */
import { alignUp } from "../core/units.ts";
import { latin1Bytes } from "../layout/env-block.ts";
import type { VerityTable } from "../layout/verity.ts";
import type { Sys } from "./sys.ts";

const CONTROL = "/dev/mapper/control";
const COMMAND = { create: 3, resume: 6, load: 9 } as const;
const READ_ONLY = 1;
const HEADER = { size: 312, dataSize: 12, dataStart: 16, targetCount: 20, flags: 28, device: 40, name: 48, uuid: 176 } as const;
const TARGET = { size: 40, length: 8, type: 24 } as const;
const ANSWER_SIZE = 4096;

export interface VerityDevice {
  readonly name: string;
  /** What `veritysetup` and systemd know the device by. */
  readonly uuid: string;
  readonly table: VerityTable;
}

/** @returns the device node, active and read-only */
export function createVerityDevice(sys: Sys, { name, uuid, table }: VerityDevice): string {
  const control = sys.open(CONTROL, "write");
  const command = (number: number, { flags = 0, target }: { flags?: number; target?: VerityTable } = {}): DataView => {
    const request = encodeRequest(name, { flags, ...(number === COMMAND.create ? { uuid } : {}), ...(target ? { target } : {}) });
    sys.ioctl(control, requestNumber(number), request);
    return new DataView(request.buffer);
  };
  const device = command(COMMAND.create).getBigUint64(HEADER.device, true);
  command(COMMAND.load, { flags: READ_ONLY, target: table });
  command(COMMAND.resume);
  sys.close(control);
  const minor = Number((device & 0xffn) | ((device >> 12n) & 0xfff00n));
  return `/dev/dm-${minor}`;
}

/** `_IOWR(0xfd, number, struct dm_ioctl)` */
const requestNumber = (number: number): number => ((3 << 30) | (HEADER.size << 16) | (0xfd << 8) | number) >>> 0;

function encodeRequest(
  name: string,
  { flags, uuid, target }: { readonly flags: number; readonly uuid?: string; readonly target?: VerityTable },
): Uint8Array {
  const parameters = target ? latin1Bytes(`${target.parameters}\0`) : new Uint8Array(0);
  const length = alignUp(HEADER.size + TARGET.size + parameters.length, 8);
  const request = new Uint8Array(Math.max(length, ANSWER_SIZE));
  const view = new DataView(request.buffer);
  for (const [index, version] of [4, 0, 0].entries()) view.setUint32(4 * index, version, true);
  view.setUint32(HEADER.dataSize, request.length, true);
  view.setUint32(HEADER.dataStart, HEADER.size, true);
  view.setUint32(HEADER.flags, flags, true);
  request.set(latin1Bytes(name), HEADER.name);
  if (uuid) request.set(latin1Bytes(uuid), HEADER.uuid);
  if (target) {
    view.setUint32(HEADER.targetCount, 1, true);
    view.setBigUint64(HEADER.size + TARGET.length, BigInt(target.sectors), true);
    request.set(latin1Bytes("verity"), HEADER.size + TARGET.type);
    request.set(parameters, HEADER.size + TARGET.size);
  }
  return request;
}
