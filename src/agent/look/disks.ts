import { z } from "zod";
import { blockDeviceList } from "../../host/stage-machine.ts";
import { parseLsblk, withChildren } from "../../layout/lsblk.ts";
import type { DisksResponseJson } from "../../protocol/petrify/v1/system_pb.ts";
import { lookCall } from "./call.ts";
import { wholeJson } from "./json.ts";

export const disks = lookCall({
  request: z.strictObject({}),
  answer: async (_request, { run, lsblk }): Promise<DisksResponseJson> => ({
    devices: parseLsblk(await blockDeviceList(run, lsblk))
      .flatMap(withChildren)
      .map(({ path, type, size, readOnly, removable, sectorSize, parent, transport, model, serial, content, label, mounts }) => ({
        ...{ path, type, size: wholeJson(size), readOnly, removable, sectorSize, parent: parent ?? "", mounts: [...mounts] },
        ...{ transport: transport ?? "", model: model ?? "", serial: serial ?? "", content: content ?? "", label: label ?? "" },
      })),
  }),
});
