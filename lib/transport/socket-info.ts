import type { Duplex } from 'node:stream'
import { readProperty } from '../errors/safe-read.js'
import type { SocketInfo } from '../errors.js'

/** Socket properties that are copied to errors. On a stream of a connector they may be getters that throw. */
const PROPERTIES = [
  'localAddress',
  'localPort',
  'remoteAddress',
  'remotePort',
  'remoteFamily',
  'timeout',
  'bytesWritten',
  'bytesRead',
] as const

/** Returns the addresses and byte counts of a socket, for errors. Properties that it does not have are omitted. */
export function socketInfo(socket: Duplex): SocketInfo {
  const values = PROPERTIES.map((name) => [name, readProperty(socket, name)] as const)
  return Object.fromEntries(values.filter(([, value]) => value !== undefined)) as SocketInfo
}
