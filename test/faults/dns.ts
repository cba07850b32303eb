/** DNS names with their addresses; `none`: NXDOMAIN; `failure`: SERVFAIL. Other names get no response. */
export type Zone = Record<string, string[] | 'none' | 'failure'>

const TYPE_A = 1

/** Returns the DNS response to a query (RFC 1035 §4.1), or null for none. */
export function responseTo(query: Buffer, zone: Zone): Buffer | null {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] as number; length > 0; length = query[at] as number) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += length + 1
  }
  const type = query.readUInt16BE(at + 1)
  const question = query.subarray(12, at + 5)
  const known = zone[labels.join('.').toLowerCase()]
  if (known === undefined) return null
  const addresses = Array.isArray(known) && type === TYPE_A ? known : []
  const header = Buffer.alloc(12)
  query.copy(header, 0, 0, 2)
  // Header: response to a recursive query, with its code: SERVFAIL is 2, NXDOMAIN 3.
  header.writeUInt16BE(0x8180 | (known === 'failure' ? 2 : known === 'none' ? 3 : 0), 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(addresses.length, 6)
  const records = addresses.map((address) =>
    // Name of the query, type A, class IN, TTL 0, four bytes.
    Buffer.from([0xc0, 0x0c, 0, TYPE_A, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]),
  )
  return Buffer.concat([header, question, ...records])
}
