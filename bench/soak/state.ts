import { getEventListeners } from 'node:events'
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { processClock } from '../../lib/base/clock.js'
import { type WasmEngine, wasmEngine } from '../../lib/wire/wasm-engine.js'
import { handles, heapUsed, ownMemory } from '../harness/process-resources.js'
import type { Lasting } from './cycle.js'

/** What must be the same after each cycle. */
export interface State {
  /** How many of each kind. */
  readonly handles: string
  /** Open files and sockets; 0 where the system does not tell. */
  readonly files: number
  /** States of llhttp that are taken. */
  readonly parsers: number
  readonly alarms: number
  /** On what outlives requests: a signal, an emitter, a Pool, the process. */
  readonly listeners: number
  readonly requests: string
}

/** What may differ a little. In bytes. */
export interface Memory {
  readonly heap: number
  /** All of the process, but for the files it maps. */
  readonly own: number
  readonly buffers: number
}

export function memory(): Memory {
  const heap = heapUsed()
  return { heap, own: ownMemory(), buffers: process.memoryUsage().external }
}

function state(lasting: Lasting): State {
  const { signal, emitter, pool } = lasting
  const on = (one: NodeJS.EventEmitter) =>
    one.eventNames().reduce((sum, name) => sum + one.listenerCount(name as string), 0)
  return {
    handles: handles(),
    files: process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0,
    parsers: (wasmEngine() as WasmEngine).used,
    alarms: processClock.size,
    listeners: getEventListeners(signal, 'abort').length + on(emitter) + on(pool) + on(process),
    requests: JSON.stringify(pool.stats),
  }
}

/** As it is when sockets and files that are being closed are closed: within two seconds it must be as before. */
export async function settled(lasting: Lasting, before: State | null): Promise<State> {
  let now = state(lasting)
  const same = () => before !== null && JSON.stringify(now) === JSON.stringify(before)
  for (let tries = 0; tries < 20 && !same(); tries++) {
    await sleep(100)
    now = state(lasting)
  }
  return now
}
