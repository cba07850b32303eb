import t from 'tap'
import { runCases } from './run-cases.js'

await runCases(t, ['silence', 'exhaustion', 'naming'])
