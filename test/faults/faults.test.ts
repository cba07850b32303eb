import t from 'tap'
import { within } from './enter.js'

await within(t, ['silence', 'exhaustion', 'naming'])
