import { performance } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import { instrumentWire } from './instrument.js'
import { type Given, TARGETS } from './targets.js'

const { target, runs, seed, shared } = workerData as Given
if (TARGETS[target].guided) instrumentWire()
// Most inputs fail, and stack traces would take half of the time. A finding can be repeated by its text.
Error.stackTraceLimit = target === 'response' ? 0 : 10
const counter = new Int32Array(shared.runs)
const length = new Int32Array(shared.length)
const bytes = Buffer.from(shared.input)
const { fuzz } = await TARGETS[target].load()
const start = performance.now()
const summary = await fuzz({
  runs,
  seed,
  note(input) {
    Atomics.add(counter, 0, 1)
    Atomics.store(length, 0, bytes.write(input))
  },
})
parentPort?.postMessage({ runs, seconds: (performance.now() - start) / 1000, summary })
