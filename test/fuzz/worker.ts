import { performance } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import { instrumentWire } from './instrument.js'
import { type Given, TARGETS } from './targets.js'

const { target, runs, seed, shared } = workerData as Given
if (TARGETS[target].guided) instrumentWire()
// Most inputs are refused, and who looks where takes half of the time: a finding is tried again by its words.
Error.stackTraceLimit = target === 'response' ? 0 : 10
const counter = new Int32Array(shared.runs)
const length = new Int32Array(shared.length)
const bytes = Buffer.from(shared.input)
const { fuzz } = await TARGETS[target].load()
const start = performance.now()
const told = await fuzz({
  runs,
  seed,
  note(input) {
    Atomics.add(counter, 0, 1)
    Atomics.store(length, 0, bytes.write(input))
  },
})
parentPort?.postMessage({ runs, seconds: (performance.now() - start) / 1000, told })
