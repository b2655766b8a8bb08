/** @portable Channels of wireless networks. Source: IEEE 802.11-2020, 15.4.4.3, 17.3.8.4.2 and annex E */

const CHANNELS_24 = Array.from({ length: 14 }, (_, index) => index + 1);
const CHANNELS_5 = [
  ...[7, 8, 9, 11, 12, 16, 32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62, 64, 68, 96],
  ...[100, 102, 104, 106, 108, 110, 112, 114, 116, 118, 120, 122, 124, 126, 128, 132, 134, 136, 138, 140, 142, 144],
  ...[149, 151, 153, 155, 157, 159, 161, 165, 169, 173],
];

/** @param band as netplan has it: `2.4GHz`, `5G` */
export const channelsOf = (band: string): readonly number[] => (band.startsWith("2.4") ? CHANNELS_24 : CHANNELS_5);

/** MHz. */
export function frequency(band: string, channel: number): number {
  if (!band.startsWith("2.4")) return 5000 + 5 * channel;
  return channel === 14 ? 2484 : 2407 + 5 * channel;
}
