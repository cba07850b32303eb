import type { Contender } from '../harness/session.js'
import { dispatcherFor, sessionOf } from './dispatchers.js'

const common = {
  role: 'peer',
  apis: ['dispatch', 'json', 'text', 'bytes', 'chunks', 'stream'],
  pipelines: true,
  bounded: true,
} as const

/** As it comes. */
export const undici: Contender = {
  ...common,
  name: 'undici',
  open: async (setup, packages) => sessionOf(dispatcherFor(await packages.load('undici'), setup), setup),
}

/** Each request says that those behind it need not wait: only then does it pipeline what it may. */
export const undiciPipelined: Contender = {
  ...common,
  name: 'undici, blocking: false',
  open: async (setup, packages) => {
    return sessionOf(dispatcherFor(await packages.load('undici'), setup), setup, { blocking: false })
  },
}
