import { getEventListeners } from 'node:events'
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { processClock } from '../../lib/base/clock.js'
import { type WasmEngine, wasmEngine } from '../../lib/wire/wasm-engine.js'
import { handles, heapUsed, ownMemory } from '../harness/process-resources.js'
import type { LongLivedObjects } from './cycle.js'

/** State that must be the same after each cycle. */
export interface State {
  /** Number of handles by type. */
  readonly handles: string
  /** Open files and sockets; 0 where the system does not report them. */
  readonly files: number
  /** Parser states of llhttp in use. */
  readonly parsers: number
  readonly alarms: number
  /** Listeners on long-lived objects: a signal, an emitter, a Pool, the process. */
  readonly listeners: number
  readonly requests: string
}

/** Memory in bytes, which may vary. */
export interface Memory {
  readonly heap: number
  /** Memory of the process without mapped files. */
  readonly own: number
  readonly buffers: number
}

export function memory(): Memory {
  const heap = heapUsed()
  return { heap, own: ownMemory(), buffers: process.memoryUsage().external }
}

function state(longLived: LongLivedObjects): State {
  const { signal, emitter, pool } = longLived
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

/** Returns the state once closing sockets and files are closed: when it equals `before`, or after two seconds. */
export async function settledState(longLived: LongLivedObjects, before: State | null): Promise<State> {
  let now = state(longLived)
  const same = () => before !== null && JSON.stringify(now) === JSON.stringify(before)
  for (let attempt = 0; attempt < 20 && !same(); attempt++) {
    await sleep(100)
    now = state(longLived)
  }
  return now
}
