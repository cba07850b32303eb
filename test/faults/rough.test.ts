import t from 'tap'
import { runCases, testCleanup } from './run-cases.js'

await runCases(t, ['rough'])
await testCleanup(t)
