import type { BenchClient } from '../harness/client-session.js'
import { dispatcherFor, sessionOf } from './dispatchers.js'

const common = {
  role: 'peer',
  apis: ['dispatch', 'json', 'text', 'bytes', 'chunks', 'stream'],
  pipelines: true,
  bounded: true,
} as const

/** undici with its defaults. */
export const undici: BenchClient = {
  ...common,
  name: 'undici',
  open: async (setup, packages) => sessionOf(dispatcherFor(await packages.load('undici'), setup), setup),
}

/** undici with `blocking: false` for each request. Only then does it pipeline up to its limit. */
export const undiciPipelined: BenchClient = {
  ...common,
  name: 'undici, blocking: false',
  open: async (setup, packages) => {
    return sessionOf(dispatcherFor(await packages.load('undici'), setup), setup, { blocking: false })
  },
}
