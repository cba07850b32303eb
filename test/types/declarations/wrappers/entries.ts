/** Exports with inferred types, made with each entry. Compiled with `declaration: true`, never run. */
import { Agent } from 'sluice/agent'
import { BalancedPool } from 'sluice/balanced-pool'
import { Client } from 'sluice/client'
import { ResponseError } from 'sluice/errors'
import { request, stream } from 'sluice/functions'
import { dns, retry } from 'sluice/interceptors'
import { Pool } from 'sluice/pool'
import { ProxyAgent } from 'sluice/proxy'
import { RoundRobinPool } from 'sluice/round-robin-pool'

export const get = (path: string) => request(`http://x${path}`)
export const save = (path: string) => stream(path, null, () => null as never)
const options = { origin: 'http://x', path: '/', method: 'GET', opaque: 1 }
export const results = [
  new Agent().request(options),
  new BalancedPool('http://x').request(options),
  new Client('http://x').request(options),
  new Pool('http://x').request(options),
  new ProxyAgent('http://x').request(options),
  new RoundRobinPool('http://x').request(options),
]
export const upgraded = new Client('http://x').upgrade({ path: '/' })
export const stats = [new Agent().stats, new Pool('http://x').stats]
export const composed = new Pool('http://x').compose(retry(), dns())
export const interceptor = retry()
export const dnsOptions = (...given: Parameters<typeof dns>) => given
export const agentOptions = (...given: ConstructorParameters<typeof Agent>) => given
export const clientOptions = (...given: ConstructorParameters<typeof Client>) => given
export const headers = (error: ResponseError) => error.headers
export class NotFound extends ResponseError {}
export class Service extends Pool {
  get(path: string) {
    return this.request({ path, method: 'GET' })
  }
}
