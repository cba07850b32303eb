import t from 'tap'
import { killed, within } from './enter.js'

await within(t, ['rough'])
await killed(t)
