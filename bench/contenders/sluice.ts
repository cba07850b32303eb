import type { Contender } from '../harness/session.js'
import { dispatcherFor, type Module, sessionOf } from './dispatchers.js'

export const sluice: Contender = {
  name: 'sluice',
  role: 'sluice',
  apis: ['dispatch', 'json', 'text', 'bytes', 'chunks', 'stream'],
  pipelines: true,
  bounded: true,
  // Here and not above: the process of another contender should not hold it in memory. It is what is published: where a
  // garbage collection begins depends on what else is in the heap, comments of the source included.
  async open(setup) {
    const module = (await import(new URL('../../package/sluice.js', import.meta.url).href)) as Module
    return sessionOf(dispatcherFor(module, setup), setup)
  },
}
