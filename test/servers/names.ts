import { createSocket } from 'node:dgram'

/** A DNS response: addresses, services, or a response code: 2 SERVFAIL, 3 NXDOMAIN. */
export type Answer =
  | { ttl: number; addresses: readonly string[] }
  | { ttl: number; services: readonly (readonly [priority: number, weight: number, port: number, target: string])[] }
  | number

const TYPES: Record<number, string> = { 1: 'A', 28: 'AAAA', 33: 'SRV' }

export interface NameServer {
  /** Address for `setServers` of a Resolver. */
  readonly address: string
  /** Records by type and name: `A one.test`. Other names have no records. */
  readonly zone: Map<string, Answer>
  /** Received questions, in order. */
  readonly questions: string[]
  /** Resolves after so many questions. */
  until(count: number): Promise<void>
  close(): Promise<void>
}

/** Starts a name server on loopback, over UDP (RFC 1035 §4). */
export async function nameServer(): Promise<NameServer> {
  const zone = new Map<string, Answer>()
  const questions: string[] = []
  const waiting: { count: number; resolve(): void }[] = []
  const socket = createSocket('udp4', (query, from) => {
    const { name, type, end } = questionOf(query)
    questions.push(`${type} ${name}`)
    socket.send(answerTo(query, end, zone.get(`${type} ${name}`) ?? { ttl: 0, addresses: [] }), from.port, from.address)
    for (const one of waiting) if (questions.length >= one.count) one.resolve()
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${socket.address().port}`,
    zone,
    questions,
    until: (count) =>
      new Promise((resolve) => {
        if (questions.length >= count) resolve()
        else waiting.push({ count, resolve })
      }),
    close: () => new Promise((resolve) => socket.close(resolve)),
  }
}

function questionOf(query: Buffer): { name: string; type: string; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] as number; length > 0; length = query[at] as number) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += length + 1
  }
  return { name: labels.join('.').toLowerCase(), type: TYPES[query.readUInt16BE(at + 1)] ?? '?', end: at + 5 }
}

function answerTo(query: Buffer, end: number, answer: Answer): Buffer {
  const header = Buffer.from(query.subarray(0, 12))
  const records = typeof answer === 'number' ? [] : recordsOf(answer)
  header.writeUInt16BE(0x8180 | (typeof answer === 'number' ? answer : 0), 2)
  for (const [index, count] of [1, records.length, 0, 0].entries()) header.writeUInt16BE(count, 4 + 2 * index)
  return Buffer.concat([header, query.subarray(12, end), ...records])
}

function recordsOf(answer: Exclude<Answer, number>): Buffer[] {
  if ('services' in answer) {
    return answer.services.map(([priority, weight, port, target]) => {
      const labels = target.split('.').filter(Boolean)
      const name = labels.map((label) => Buffer.from([label.length, ...Buffer.from(label)]))
      return record(33, answer.ttl, Buffer.concat([numbers(priority, weight, port), ...name, Buffer.from([0])]))
    })
  }
  return answer.addresses.map((address) => {
    if (!address.includes(':')) return record(1, answer.ttl, Buffer.from(address.split('.').map(Number)))
    const [before = '', after = ''] = address.split('::')
    const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
    const [left, right] = [groups(before), groups(after)]
    const zeros = new Array(8 - left.length - right.length).fill(0)
    return record(28, answer.ttl, numbers(...left, ...zeros, ...right))
  })
}

/** Encodes a record for the queried name, class IN. */
function record(type: number, ttl: number, data: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0xc0, 0x0c]), numbers(type, 1, ttl >>> 16, ttl & 0xffff, data.length), data])
}

function numbers(...values: number[]): Buffer {
  const buffer = Buffer.alloc(2 * values.length)
  for (const [index, value] of values.entries()) buffer.writeUInt16BE(value, 2 * index)
  return buffer
}
