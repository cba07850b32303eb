import * as sluiceModule from '../../lib/index.js'
import type { Contender } from '../harness/session.js'
import { dispatcherFor, type Module, sessionOf } from './dispatchers.js'

export const sluice: Contender = {
  name: 'sluice',
  role: 'sluice',
  apis: ['dispatch', 'json', 'text', 'bytes', 'chunks', 'stream'],
  pipelines: true,
  bounded: true,
  open: async (setup) => sessionOf(dispatcherFor(sluiceModule as unknown as Module, setup), setup),
}
