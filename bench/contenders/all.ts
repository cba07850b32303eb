import type { Contender } from '../harness/session.js'
import { floor } from './floor.js'
import { axios, builtinFetch, got, nodeFetch } from './libraries.js'
import { nodeHttp } from './node-http.js'
import { sluice } from './sluice.js'
import { undici, undiciPipelined } from './undici.js'

export const contenders: readonly Contender[] = [
  sluice,
  undici,
  undiciPipelined,
  nodeHttp,
  got,
  axios,
  nodeFetch,
  builtinFetch,
  floor,
]

/** @throws {Error} there is none of this name */
export function contenderOf(name: string): Contender {
  const found = contenders.find((contender) => contender.name === name)
  if (found === undefined)
    throw new Error(`${name}: no such contender; there are ${contenders.map(({ name }) => name)}`)
  return found
}
