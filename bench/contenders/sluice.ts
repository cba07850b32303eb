import type { Contender } from '../harness/session.js'
import { dispatcherFor, type Module, sessionOf } from './dispatchers.js'

export const sluice: Contender = {
  name: 'sluice',
  role: 'sluice',
  apis: ['dispatch', 'json', 'text', 'bytes', 'chunks', 'stream'],
  pipelines: true,
  bounded: true,
  // Here and not above: the process of another contender should not hold it in memory.
  async open(setup) {
    const module = (await import('../../lib/index.js')) as unknown as Module
    return sessionOf(dispatcherFor(module, setup), setup)
  },
}
