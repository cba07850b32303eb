import type { BenchClient } from '../harness/client-session.js'
import { axios, builtinFetch, got, nodeFetch } from './libraries.js'
import { nodeHttp } from './node-http.js'
import { rawSockets } from './raw-sockets.js'
import { sluice } from './sluice.js'
import { undici, undiciPipelined } from './undici.js'

export const benchClients: readonly BenchClient[] = [
  sluice,
  undici,
  undiciPipelined,
  nodeHttp,
  got,
  axios,
  nodeFetch,
  builtinFetch,
  rawSockets,
]

/**
 * Finds a client by name.
 * @throws {Error} If the name is unknown.
 */
export function benchClientOf(name: string): BenchClient {
  const client = benchClients.find((one) => one.name === name)
  if (client === undefined)
    throw new Error(`unknown client ${name}; the clients are ${benchClients.map(({ name }) => name)}`)
  return client
}
