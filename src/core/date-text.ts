/** @portable A day for people: `2026-11-22`, in UTC; the number itself where no calendar has it. @param seconds since 1970 */
export const dateText = (seconds: number): string => {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds}` : date.toISOString().slice(0, 10);
};

/** The same with the time of day: `2026-11-22 21:05:00`. */
export const timeText = (seconds: number): string => {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds}` : date.toISOString().slice(0, 19).replace("T", " ");
};
