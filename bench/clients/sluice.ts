import type { BenchClient } from '../harness/client-session.js'
import { dispatcherFor, type Module, sessionOf } from './dispatchers.js'

export const sluice: BenchClient = {
  name: 'sluice',
  role: 'sluice',
  apis: ['dispatch', 'json', 'text', 'bytes', 'chunks', 'stream'],
  pipelines: true,
  bounded: true,
  // Imported here, so that processes of other clients do not hold it in memory. The published bundle is measured, because
  // garbage collection depends on the heap, which includes source text and its comments.
  async open(setup) {
    const module = (await import(new URL('../../package/sluice.js', import.meta.url).href)) as Module
    return sessionOf(dispatcherFor(module, setup), setup)
  },
}
