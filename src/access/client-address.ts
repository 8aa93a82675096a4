/**
 * Whom an address belongs to, as one text for the addresses that one client has at will: of version 6 it has a whole network of 64
 * bits, told by its first four groups. An address of version 4 within version 6 counts as that of version 4.
 */
export function clientOf(address: string): string {
  const version4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (version4 !== undefined || !address.includes(":")) return version4 ?? address;
  const [head = "", tail] = (address.split("%")[0] ?? "").split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const left = tail === undefined ? 0 : 8 - groups.length - after.length;
  return [...groups, ...Array<string>(Math.max(0, left)).fill("0"), ...after].slice(0, 4).join(":");
}
